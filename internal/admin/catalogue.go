package admin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"boundgate/internal/directory"
)

// Applications returns the clients that the caller's tenant knows: the catalogue of S13, S20 and S21, and its own.
func (s *Service) Applications(ctx context.Context, c Caller) ([]directory.Application, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return nil, err
	}
	list, err := s.Store.Applications(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	return list, nil
}

// Application returns one client by its appId.
func (s *Service) Application(ctx context.Context, c Caller, appID string) (directory.Application, error) {
	list, err := s.Applications(ctx, c)
	if err != nil {
		return directory.Application{}, err
	}
	return findApplication(list, appID)
}

func findApplication(list []directory.Application, appID string) (directory.Application, error) {
	for _, a := range list {
		if strings.EqualFold(string(a.AppID), appID) {
			return a, nil
		}
	}
	return directory.Application{}, directory.ErrNotFound
}

// An ApplicationPatch changes the members that are not nil.
type ApplicationPatch struct {
	DisplayName    *string
	PublicClient   *bool
	RedirectURIs   *[]string
	Listed         *bool
	MinimumVersion *string
	BrokerOption   *string
	Unsupported    *bool
	Why            *string
	UserAgents     *[]string

	WebRedirectURIs  *[]string
	SPARedirectURIs  *[]string
	Certificates     *[]NewCertificate // in place of those that there are
	Disabled         *bool
	Family           *bool
	SigningAlgorithm *string
}

// CreateApplication adds a client to the tenant. Where appID is empty, one is made.
func (s *Service) CreateApplication(ctx context.Context, c Caller, appID string, patch ApplicationPatch) (directory.Application, error) {
	defer s.oneAtATime()()
	none := directory.Application{}
	if err := Authorize(c, ManageApplications); err != nil {
		return none, err
	}
	if appID == "" {
		appID = newID()
	}
	id, ok := objectID(appID)
	if !ok {
		return none, invalid("/appId", "The appId is not a GUID.", "Write a GUID, or leave appId out.")
	}
	list, err := s.Store.Applications(ctx, c.Tenant)
	if err != nil {
		return none, fmt.Errorf("list applications: %w", err)
	}
	if _, err := findApplication(list, string(id)); err == nil {
		return none, &ConflictError{Message: fmt.Sprintf("The tenant has an application with the appId %s.", id), Next: "Change that application instead."}
	}
	a := directory.Application{AppID: directory.AppID(id), PublicClient: true, ServicePrincipal: directory.ObjectID(newID())}
	if err := applyApplication(&a, patch); err != nil {
		return none, err
	}
	return a, s.storeApplication(ctx, c, "Add application", nil, a)
}

// UpdateApplication changes a client. Built-in ones may be changed too: minimum versions rise (S13).
func (s *Service) UpdateApplication(ctx context.Context, c Caller, appID string, patch ApplicationPatch) error {
	defer s.oneAtATime()()
	before, err := s.applicationToChange(ctx, c, appID)
	if err != nil {
		return err
	}
	after := before
	if err := applyApplication(&after, patch); err != nil {
		return err
	}
	return s.storeApplication(ctx, c, "Update application", applicationView(before), after)
}

// DeleteApplication removes a client that the tenant added itself.
func (s *Service) DeleteApplication(ctx context.Context, c Caller, appID string) error {
	a, err := s.applicationToChange(ctx, c, appID)
	if err != nil {
		return err
	}
	if a.BuiltIn {
		return &ConflictError{Message: "The application comes with Boundgate and cannot be removed.", Next: "Change its entry instead, such as its minimum version."}
	}
	entry, err := s.entry(c, applicationChange("Delete application", a, applicationView(a), nil))
	if err != nil {
		return err
	}
	if err := s.Store.DeleteApplication(ctx, c.Tenant, a.AppID, entry); err != nil {
		return fmt.Errorf("delete application: %w", err)
	}
	return nil
}

func (s *Service) applicationToChange(ctx context.Context, c Caller, appID string) (directory.Application, error) {
	if err := Authorize(c, ManageApplications); err != nil {
		return directory.Application{}, err
	}
	list, err := s.Store.Applications(ctx, c.Tenant)
	if err != nil {
		return directory.Application{}, fmt.Errorf("list applications: %w", err)
	}
	return findApplication(list, appID)
}

func (s *Service) storeApplication(ctx context.Context, c Caller, activity string, before any, a directory.Application) error {
	entry, err := s.entry(c, applicationChange(activity, a, before, applicationView(a)))
	if err != nil {
		return err
	}
	if err := s.Store.PutApplication(ctx, c.Tenant, a, entry); err != nil {
		return fmt.Errorf("store application: %w", err)
	}
	return nil
}

func applicationChange(activity string, a directory.Application, before, after any) change {
	return change{activity: activity, category: "ApplicationManagement", targetType: "Application",
		targetID: string(a.AppID), targetName: a.DisplayName, before: before, after: after}
}

func applyApplication(a *directory.Application, patch ApplicationPatch) error {
	set(&a.DisplayName, patch.DisplayName)
	set(&a.PublicClient, patch.PublicClient)
	set(&a.RedirectURIs, patch.RedirectURIs)
	set(&a.Listed, patch.Listed)
	set(&a.MinimumVersion, patch.MinimumVersion)
	set(&a.BrokerOption, patch.BrokerOption)
	set(&a.Unsupported, patch.Unsupported)
	set(&a.Why, patch.Why)
	set(&a.UserAgents, patch.UserAgents)
	set(&a.WebRedirectURIs, patch.WebRedirectURIs)
	set(&a.SPARedirectURIs, patch.SPARedirectURIs)
	set(&a.Disabled, patch.Disabled)
	set(&a.Family, patch.Family)
	set(&a.SigningAlgorithm, patch.SigningAlgorithm)
	var p problems
	if patch.Certificates != nil {
		a.Certificates = parseCertificates(&p, *patch.Certificates)
	}
	checkApplication(&p, a)
	return p.err()
}

// Bounds of an application's lists and texts.
const (
	maxListed = 100
	maxText   = 1024
)

var versionForm = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9}){0,3}$`)

func checkApplication(p *problems, a *directory.Application) {
	a.DisplayName = strings.TrimSpace(a.DisplayName)
	checkName(p, "/displayName", a.DisplayName)
	if a.MinimumVersion != "" && !versionForm.MatchString(a.MinimumVersion) {
		p.add("/minimumVersion", fmt.Sprintf("%q is not a version.", a.MinimumVersion), "Write one to four numbers with dots between, such as 2.117.841.0.")
	}
	checkText(p, "/brokerOption", a.BrokerOption)
	checkText(p, "/why", a.Why)
	if a.Unsupported && a.Why == "" {
		p.add("/why", "An unsupported application needs a reason that users can read.", "Say in a sentence why it is not supported.")
	}
	checkList(p, "/publicClient/redirectUris", a.RedirectURIs, checkRedirectURI)
	checkList(p, "/web/redirectUris", a.WebRedirectURIs, checkWebRedirectURI)
	checkList(p, "/spa/redirectUris", a.SPARedirectURIs, checkWebRedirectURI)
	checkList(p, "/userAgents", a.UserAgents, func(p *problems, at, s string) { checkName(p, at, s) })
	if a.SigningAlgorithm != "" && a.SigningAlgorithm != "ES256" && a.SigningAlgorithm != "RS256" {
		p.add("/signingAlgorithm", "The algorithm is neither RS256 nor ES256.", "Write one of them, or leave it out for RS256.")
	}
}

// checkWebRedirectURI takes the addresses of servers and pages alone.
func checkWebRedirectURI(p *problems, at, s string) {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://localhost") && !strings.HasPrefix(s, "http://127.0.0.1") {
		p.add(at, "This redirect URI is not the address of a server.", "Use https, or http to localhost; register an application's own scheme as one of its public client.")
		return
	}
	checkRedirectURI(p, at, s)
}

func checkText(p *problems, pointer, text string) {
	if len(text) > maxText || !printable(text) {
		p.add(pointer, fmt.Sprintf("The text is longer than %d bytes or holds control characters.", maxText), "Write a short sentence of plain text.")
	}
}

func checkList(p *problems, pointer string, list []string, check func(p *problems, at, s string)) {
	if len(list) > maxListed {
		p.add(pointer, fmt.Sprintf("The list has more than %d elements.", maxListed), "")
		return
	}
	for i, s := range list {
		check(p, fmt.Sprintf("%s/%d", pointer, i), s)
	}
}

// checkRedirectURI refuses what could send a code elsewhere: anything without a scheme, with a fragment or with user
// information, http other than to the device itself, and the schemes that run script.
func checkRedirectURI(p *problems, at, s string) {
	u, err := url.Parse(s)
	bad := err != nil || len(s) > maxText || !printable(s) || u.Scheme == "" || u.Fragment != "" || u.User != nil
	if !bad {
		switch u.Scheme {
		case "http":
			host := u.Hostname()
			bad = host != "localhost" && host != "127.0.0.1" && host != "::1"
		case "https":
			bad = u.Host == ""
		case "javascript", "data", "vbscript", "file", "blob", "about":
			bad = true
		}
	}
	if bad {
		p.add(at, "This redirect URI is not allowed.", "Use https, http to localhost, or the application's own scheme, without a fragment.")
	}
}

// Resources returns what tokens may be asked for in the caller's tenant.
func (s *Service) Resources(ctx context.Context, c Caller) ([]directory.Resource, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return nil, err
	}
	list, err := s.Store.Resources(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list resources: %w", err)
	}
	return list, nil
}

// Resource returns one resource by its appId or its object id.
func (s *Service) Resource(ctx context.Context, c Caller, key string) (directory.Resource, error) {
	list, err := s.Resources(ctx, c)
	if err != nil {
		return directory.Resource{}, err
	}
	return findResource(list, key)
}

func findResource(list []directory.Resource, key string) (directory.Resource, error) {
	for _, r := range list {
		if strings.EqualFold(string(r.AppID), key) || (r.ObjectID != "" && strings.EqualFold(string(r.ObjectID), key)) {
			return r, nil
		}
	}
	return directory.Resource{}, directory.ErrNotFound
}

// A ResourcePatch changes the members that are not nil.
type ResourcePatch struct {
	DisplayName    *string
	IdentifierURIs *[]string
}

// CreateResource registers a resource of the organisation's own (S05).
func (s *Service) CreateResource(ctx context.Context, c Caller, appID string, patch ResourcePatch) (directory.Resource, error) {
	defer s.oneAtATime()()
	none := directory.Resource{}
	list, err := s.resourcesToChange(ctx, c)
	if err != nil {
		return none, err
	}
	if appID == "" {
		appID = newID()
	}
	id, ok := objectID(appID)
	if !ok {
		return none, invalid("/appId", "The appId is not a GUID.", "Write a GUID, or leave appId out.")
	}
	if _, err := findResource(list, string(id)); err == nil {
		return none, &ConflictError{Message: fmt.Sprintf("The tenant has a resource with the appId %s.", id), Next: "Change that resource instead."}
	}
	r := directory.Resource{ObjectID: directory.ObjectID(newID()), AppID: directory.AppID(id)}
	if err := applyResource(&r, patch, list); err != nil {
		return none, err
	}
	return r, s.storeResource(ctx, c, "Add service principal", nil, r)
}

// UpdateResource changes a resource of the organisation's own.
func (s *Service) UpdateResource(ctx context.Context, c Caller, key string, patch ResourcePatch) error {
	defer s.oneAtATime()()
	list, err := s.resourcesToChange(ctx, c)
	if err != nil {
		return err
	}
	before, err := ownResource(list, key)
	if err != nil {
		return err
	}
	after := before
	if err := applyResource(&after, patch, list); err != nil {
		return err
	}
	return s.storeResource(ctx, c, "Update service principal", before, after)
}

// DeleteResource removes a resource of the organisation's own. One that a policy names stays: what the policy protects
// would change silently.
func (s *Service) DeleteResource(ctx context.Context, c Caller, key string) error {
	defer s.oneAtATime()()
	list, err := s.resourcesToChange(ctx, c)
	if err != nil {
		return err
	}
	r, err := ownResource(list, key)
	if err != nil {
		return err
	}
	if err := s.notNamedByPolicy(ctx, c.Tenant, directory.ObjectID(r.AppID)); err != nil {
		return err
	}
	entry, err := s.entry(c, resourceChange("Delete service principal", r, r, nil))
	if err != nil {
		return err
	}
	if err := s.Store.DeleteResource(ctx, c.Tenant, r.AppID, entry); err != nil {
		return fmt.Errorf("delete resource: %w", err)
	}
	return nil
}

func (s *Service) resourcesToChange(ctx context.Context, c Caller) ([]directory.Resource, error) {
	if err := Authorize(c, ManageApplications); err != nil {
		return nil, err
	}
	list, err := s.Store.Resources(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list resources: %w", err)
	}
	return list, nil
}

func ownResource(list []directory.Resource, key string) (directory.Resource, error) {
	r, err := findResource(list, key)
	if err == nil && r.BuiltIn {
		return r, &ConflictError{Message: "The resource comes with Boundgate and cannot be changed.", Next: "Register a resource of your own."}
	}
	return r, err
}

func (s *Service) storeResource(ctx context.Context, c Caller, activity string, before any, r directory.Resource) error {
	entry, err := s.entry(c, resourceChange(activity, r, before, r))
	if err != nil {
		return err
	}
	err = s.Store.PutResource(ctx, c.Tenant, r, entry)
	if errors.Is(err, directory.ErrExists) {
		return &ConflictError{Message: "Another resource has one of these identifiers.", Next: "Choose identifiers of your own."}
	}
	if err != nil {
		return fmt.Errorf("store resource: %w", err)
	}
	return nil
}

func resourceChange(activity string, r directory.Resource, before, after any) change {
	return change{activity: activity, category: "ApplicationManagement", targetType: "ServicePrincipal",
		targetID: string(r.AppID), targetName: r.DisplayName, before: before, after: after}
}

func applyResource(r *directory.Resource, patch ResourcePatch, all []directory.Resource) error {
	set(&r.DisplayName, patch.DisplayName)
	if patch.IdentifierURIs != nil {
		r.IdentifierURIs = slices.Clone(*patch.IdentifierURIs)
	}
	var p problems
	r.DisplayName = strings.TrimSpace(r.DisplayName)
	checkName(&p, "/displayName", r.DisplayName)
	checkList(&p, "/servicePrincipalNames", r.IdentifierURIs, func(p *problems, at, uri string) {
		checkIdentifier(p, at, uri, r.AppID, all)
	})
	return p.err()
}

// checkIdentifier refuses an identifier that names, or could name, another resource: a token for this one would pass for
// a token for that one, or slip past the policies for that one.
func checkIdentifier(p *problems, at, uri string, own directory.AppID, all []directory.Resource) {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" || (u.Host == "" && u.Opaque == "") || len(uri) > maxText || !printable(uri) || strings.ContainsAny(uri, "* ") {
		p.add(at, "This is not an absolute URI.", "Write it like api://payroll or https://payroll.contoso.example.")
		return
	}
	for _, r := range all {
		if r.AppID != own && r.Names(uri) {
			p.add(at, fmt.Sprintf("The identifier names the resource %q.", r.DisplayName), "Choose an identifier of your own.")
			return
		}
	}
}
