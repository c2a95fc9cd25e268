package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/google/uuid"

	"boundgate/internal/broker"
	"boundgate/internal/tpm"
)

// The applications and resources of the story, under their well-known ids.
const (
	appOffice        = "d3590ed6-52b3-4102-aeff-aad2292ab01c"
	appTeams         = "1fec8e78-bce4-4aaf-ab1b-5451cc387264"
	appSharePointPS  = "9bc3ab49-b65d-410a-85ad-de819febfddc"
	exchange         = "https://outlook.office365.com"
	sharePoint       = "https://contoso.sharepoint.com"
	teams            = "https://api.spaces.skype.com"
	autopilotProfile = "Autopilot 自己展開プロファイル"
	cloudPCRule      = `systemLabels -eq "CloudPC" and trustType -eq "AzureAD"`
)

var (
	windows11  = broker.OS{Type: "Windows", Version: "10.0.22631.3593"}
	server2016 = broker.OS{Type: "Windows", Version: "10.0.14393.6897"}
)

// story is the world while the story is told.
type story struct {
	World
	cast    *Cast
	out     *Reporter
	devices map[string]*broker.Broker // by name
	tap     *tap                      // what crosses the wire of Alice's laptop
	actors  []actor
}

// An actor asks for a token, again in each part of the story.
type actor struct {
	who, what string
	ask       func(ctx context.Context) error
	code      int    // of the sign-in session; 0 = bound
	excluded  bool   // the exclusion filter for Cloud PCs leaves it out
	reason    string // for the reader
}

// Tell plays the whole story on a server that has just been set up.
func Tell(ctx context.Context, w World, cast *Cast, out *Reporter) error {
	s := &story{World: w, cast: cast, out: out, devices: map[string]*broker.Broker{}, tap: &tap{next: w.HTTP.Transport}}
	for _, part := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"Devices join", s.devicesJoin},
		{"The policy is report-only: everybody gets a token, and the log says who would not have", s.reportOnly},
		{"The three queries of the source, as printed, on both tables", s.queries},
		{"The Cloud PCs are left out by a device filter", s.excludeCloudPCs},
		{"The policy is On", s.enforce},
		{"A thief copies everything but the private keys", s.theft},
		{"A copied software key is a copied device", s.copiedKeys},
	} {
		out.Part(part.title)
		if err := part.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", part.title, err)
		}
	}
	return out.Err()
}

// device opens the broker of a new device.
func (s *story) device(name string, client *http.Client) (*broker.Broker, error) {
	dir := filepath.Join(s.Dir, name)
	b, err := broker.Open(broker.Options{Dir: dir, HTTP: client, Keys: tpm.NewSoftwareStore(filepath.Join(dir, "keys"))})
	s.devices[name] = b
	return b, err
}

// joined registers a device for a user and signs the user in on it.
func (s *story) joined(ctx context.Context, name string, p person, os broker.OS, client *http.Client) (*broker.Broker, error) {
	b, err := s.device(name, client)
	if err != nil {
		return nil, err
	}
	if err := b.Register(ctx, broker.Registration{Server: s.URL, Username: p.name, Password: p.password, DeviceName: name, OS: os}); err != nil {
		return nil, err
	}
	return b, b.SignIn(ctx, p.name, p.password)
}

func (s *story) devicesJoin(ctx context.Context) error {
	contoso, fabrikam := s.cast.Contoso, s.cast.Fabrikam
	for _, d := range []struct {
		name, what string
		owner      person
		home       Organisation
		marks      map[string]any
		client     *http.Client
	}{
		{"alice-laptop", "Windows 11 laptop joins Contoso", contoso.People["alice"], contoso, nil, &http.Client{Transport: s.tap}},
		{"bob-cloudpc", "Cloud PC joins; an administrator labels it", contoso.People["bob"], contoso,
			map[string]any{"systemLabels": []string{"CloudPC"}}, s.HTTP},
		{"dora-kiosk", "Autopilot device joins in self-deploying mode", contoso.People["dora"], contoso,
			map[string]any{"enrollmentProfileName": autopilotProfile, "registrationMethod": "selfDeploying"}, s.HTTP},
		{"gina-laptop", "Windows 11 laptop joins Fabrikam", fabrikam.People["gina"], fabrikam, nil, s.HTTP},
		{"hugo-cloudpc", "Cloud PC joins Fabrikam", fabrikam.People["hugo"], fabrikam,
			map[string]any{"systemLabels": []string{"CloudPC"}}, s.HTTP},
	} {
		b, err := s.joined(ctx, d.name, d.owner, windows11, d.client)
		if err == nil && d.marks != nil {
			err = d.home.markDevice(ctx, deviceID(b), d.marks)
		}
		s.out.Step(d.name, d.what, "device "+deviceID(b), err)
		if err != nil {
			return err
		}
	}
	err := s.joinServer(ctx)
	s.out.Step("erin-server", "Windows Server 2016 is synchronised and hybrid joins", "device "+deviceID(s.devices["erin-server"]), err)
	s.actors = s.castActors()
	return err
}

// joinServer plays a hybrid join: an administrator makes the synchronised object, the server proves that it is it.
func (s *story) joinServer(ctx context.Context) error {
	const sid = "S-1-5-21-1004336348-1177238915-682003330-2107"
	b, err := s.device("erin-server", s.HTTP)
	if err != nil {
		return err
	}
	id := uuid.NewString()
	certificate, err := b.SyncedCertificate(id)
	if err != nil {
		return err
	}
	contoso := s.cast.Contoso
	if _, err := contoso.create(ctx, "/devices", map[string]any{
		"deviceId": id, "displayName": "erin-server", "operatingSystem": "Windows Server", "operatingSystemVersion": server2016.Version,
		"edition": "Server", "onPremisesSecurityIdentifier": sid, "userCertificate": certificate,
	}); err != nil {
		return err
	}
	if err := b.HybridJoin(ctx, broker.HybridRegistration{
		Server: s.URL, Domain: contoso.Domain, DeviceID: id, SID: sid, DeviceName: "erin-server", OS: server2016,
	}); err != nil {
		return err
	}
	erin := contoso.People["erin"]
	return b.SignIn(ctx, erin.name, erin.password)
}

// castActors lists who asks for what, and what the log must say of it.
func (s *story) castActors() []actor {
	contoso := s.cast.Contoso
	carol := contoso.People["carol"]
	ask := func(device, client, resource, tenant, version string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := s.devices[device].Token(ctx, broker.TokenRequest{Client: client, Resource: resource, Tenant: tenant, AppVersion: version})
			return err
		}
	}
	return []actor{
		{"alice, laptop", "Outlook asks for Exchange", ask("alice-laptop", appOffice, exchange, "", ""), 0, false, "bound"},
		{"alice, laptop", "OneDrive asks for SharePoint", ask("alice-laptop", appOffice, sharePoint, "", ""), 0, false, "bound"},
		{"alice, laptop", "Teams 1.7 asks for Teams Services", ask("alice-laptop", appTeams, teams, "", "1.7.00.864"), 0, false, "bound"},
		{"alice, laptop", "Teams 1.5 asks for Exchange", ask("alice-laptop", appTeams, exchange, "", "1.5.00.9163"), 1008, false, "the application is too old"},
		{"alice, laptop", "SharePoint PowerShell asks for SharePoint", ask("alice-laptop", appSharePointPS, sharePoint, "", ""), 1008, false, "the application is not supported"},
		{"carol, no device", "a plain client asks for Exchange", s.plain(carol, exchange), 1002, false, "no device"},
		{"bob, Cloud PC", "Outlook asks for Exchange", ask("bob-cloudpc", appOffice, exchange, "", ""), 1003, true, "Cloud PC"},
		{"dora, Autopilot kiosk", "Outlook asks for Exchange", ask("dora-kiosk", appOffice, exchange, "", ""), 1003, false, "self-deploying mode"},
		{"erin, Server 2016", "Outlook asks for Exchange", ask("erin-server", appOffice, exchange, "", ""), 1006, false, "operating system"},
		{"gina, guest, laptop", "asks for Contoso's SharePoint", ask("gina-laptop", appOffice, sharePoint, contoso.Tenant, ""), 0, false, "bound at home"},
		{"hugo, guest, Cloud PC", "asks for Contoso's SharePoint", ask("hugo-cloudpc", appOffice, sharePoint, contoso.Tenant, ""), 1003, false, "Cloud PC of another organisation"},
	}
}

// plain asks as an application that knows no broker: a password once, and from then on a refresh token. Each time it signs
// in for Microsoft Graph, which the policy does not protect, and redeems the refresh token for the resource.
func (s *story) plain(p person, resource string) func(context.Context) error {
	return func(ctx context.Context) error {
		b, err := broker.Open(broker.Options{HTTP: s.HTTP})
		if err != nil {
			return err
		}
		first, err := b.Unbound(ctx, s.URL, p.name, p.password, appOffice, "https://graph.microsoft.com")
		if err != nil {
			return err
		}
		_, err = b.RedeemUnbound(ctx, s.URL, "organizations", first.RefreshToken, appOffice, resource)
		return err
	}
}

func (s *story) reportOnly(ctx context.Context) error {
	for _, a := range s.actors {
		result := "token; bound"
		if a.code != 0 {
			result = fmt.Sprintf("token; would be refused: %d, %s", a.code, a.reason)
		}
		s.out.Step(a.who, a.what, result, a.ask(ctx))
	}
	return s.logAgrees(ctx, "reportOnlyFailure", func(a actor) bool { return a.code != 0 })
}

func (s *story) excludeCloudPCs(ctx context.Context) error {
	err := s.cast.patchPolicy(ctx, map[string]any{"conditions": map[string]any{
		"devices": map[string]any{"deviceFilter": map[string]any{"mode": "exclude", "rule": cloudPCRule}},
	}})
	s.out.Step("administrator", "excludes "+cloudPCRule, "policy changed", err)
	return err
}

func (s *story) enforce(ctx context.Context) error {
	err := s.cast.patchPolicy(ctx, map[string]any{"state": "enabled"})
	s.out.Step("administrator", "sets the policy to On", "policy changed", err)
	for _, a := range s.actors {
		if a.code == 0 || a.excluded {
			result := "token"
			if a.excluded {
				result = "token; left out by the filter"
			}
			s.out.Step(a.who, a.what, result, a.ask(ctx))
			continue
		}
		result, err := refusedWith(a.ask(ctx), 530084)
		s.out.Step(a.who, a.what, fmt.Sprintf("%s; %d, %s", result, a.code, a.reason), err)
	}
	return s.logAgrees(ctx, "failure", func(a actor) bool { return a.code != 0 && !a.excluded })
}

// refusedWith checks that err is the server's refusal with this code.
func refusedWith(err error, code int) (string, error) {
	var refusal *broker.Refusal
	switch {
	case err == nil:
		return "", errors.New("got a token, and should have been refused")
	case !errors.As(err, &refusal):
		return "", err
	case refusal.Code() != code:
		return "", fmt.Errorf("refused with AADSTS%d, expected AADSTS%d: %w", refusal.Code(), code, err)
	}
	return fmt.Sprintf("refused: AADSTS%d", code), nil
}

func deviceID(b *broker.Broker) string {
	if b == nil {
		return ""
	}
	status, err := b.Status()
	if err != nil {
		return ""
	}
	return status.DeviceID
}
