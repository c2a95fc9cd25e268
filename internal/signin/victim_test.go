package signin_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"boundgate/internal/audit"
	"boundgate/internal/broker"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/prt"
	"boundgate/internal/signinlog"
	"boundgate/internal/tpm"
)

const (
	office     = "d3590ed6-52b3-4102-aeff-aad2292ab01c"
	sharePS    = "9bc3ab49-b65d-410a-85ad-de819febfddc"
	teamsApp   = "1fec8e78-bce4-4aaf-ab1b-5451cc387264"
	sharePoint = "https://contoso.sharepoint.com"
	bearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	tokenV1    = "/common/oauth2/token"
)

// A victim is Alice, signed in on her laptop, and all that an attacker might get hold of.
type victim struct {
	server *brokertest.Server
	laptop *broker.Broker
	device string
	key    prt.SessionKey // which no thief has
	prt    string
	bound  string // refresh token of an application, bound to the session
	tenant string

	deviceKey, transportKey tpm.Key
	certificate             []byte
	first                   string // refresh token of the sign-in that registered the laptop, which is not bound
}

func newVictim(t *testing.T) victim {
	t.Helper()
	v := victim{server: brokertest.New(t), tenant: string(brokertest.Tenant)}
	dir := filepath.Join(t.TempDir(), "laptop")
	keys := tpm.NewSoftwareStore(filepath.Join(dir, "keys"))
	var err error
	tap := &tap{next: v.server.Client().Transport}
	v.laptop, err = broker.Open(broker.Options{Dir: dir, HTTP: &http.Client{Transport: tap}, Keys: keys, Now: v.server.Now})
	must(t, err)
	must(t, v.laptop.Register(t.Context(), broker.Registration{
		Server: v.server.URL, Username: brokertest.Alice, Password: brokertest.Password, DeviceName: "laptop",
		OS: broker.OS{Type: "Windows", Version: "10.0.22631.3593"},
	}))
	must(t, v.laptop.SignIn(t.Context(), brokertest.Alice, brokertest.Password))
	_, err = v.laptop.Token(t.Context(), broker.TokenRequest{Client: office, Resource: brokertest.Exchange})
	must(t, err)
	status, err := v.laptop.Status()
	must(t, err)
	v.device, v.first = status.DeviceID, tap.first
	v.read(t, dir, keys)
	return v
}

// A tap keeps the first refresh token that crosses a connection.
type tap struct {
	next  http.RoundTripper
	first string
}

func (c *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(strings.NewReader(string(text)))
	var a answer
	if c.first == "" && json.Unmarshal(text, &a) == nil {
		c.first = a.Token
	}
	return resp, nil
}

// read takes the session out of the laptop's files, keys included.
func (v *victim) read(t *testing.T, dir string, keys tpm.Store) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "state.json"))
	must(t, err)
	var state struct {
		Certificate []byte
		Accounts    []struct {
			PrimaryRefreshToken string
			SessionKeyJWE       string `json:"session_key_jwe"`
			RefreshTokens       map[string]string
		}
	}
	must(t, json.Unmarshal(text, &state))
	v.certificate = state.Certificate
	v.deviceKey, err = keys.Open("device")
	must(t, err)
	v.transportKey, err = keys.Open("transport")
	must(t, err)
	v.key, err = prt.DecryptSessionKey(state.Accounts[0].SessionKeyJWE, v.transportKey)
	must(t, err)
	v.prt = state.Accounts[0].PrimaryRefreshToken
	for _, text := range state.Accounts[0].RefreshTokens {
		v.bound = text
	}
}

// enforce puts a token protection policy for everybody in force, for Exchange, SharePoint and Teams on Windows.
func (v victim) enforce(t *testing.T, state policy.State) {
	t.Helper()
	p := policy.Policy{ID: "11111111-1111-4111-8111-111111111111", DisplayName: "TP01", State: state}
	p.Conditions.Users.IncludeUsers = []string{"All"}
	p.Conditions.Applications.IncludeApplications = []string{
		string(directory.ExchangeOnline), string(directory.SharePointOnline), string(directory.TeamsServices),
	}
	p.Conditions.Platforms = &policy.Platforms{IncludePlatforms: []policy.Platform{policy.Windows}}
	p.Conditions.ClientAppTypes = []policy.ClientAppType{policy.MobileAppsAndDesktopClients}
	p.SessionControls = &policy.SessionControls{SecureSignInSession: &policy.Switch{IsEnabled: true}}
	must(t, v.server.Store.PutPolicy(context.Background(), brokertest.Tenant, policy.Normalise(p), v.audit()))
}

func (v victim) audit() audit.Entry {
	return audit.Entry{ID: uuid.NewString(), Tenant: brokertest.Tenant, At: v.server.Now(), Actor: audit.Actor{Service: "test"}}
}

// An answer is what the token endpoint said.
type answer struct {
	status int
	text   string
	Error  string `json:"error"`
	Codes  []int  `json:"error_codes"`
	Text   string `json:"error_description"`
	Access string `json:"access_token"`
	Token  string `json:"refresh_token"`

	SessionKey string `json:"session_key_jwe"`
}

func (a answer) ok() bool { return a.status == http.StatusOK }

func (a answer) code() int {
	if len(a.Codes) == 0 {
		return 0
	}
	return a.Codes[0]
}

func (v victim) post(t *testing.T, path string, fields map[string]string, headers ...string) answer {
	t.Helper()
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.server.URL+path, strings.NewReader(form.Encode()))
	must(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for n := 0; n+1 < len(headers); n += 2 {
		req.Header.Set(headers[n], headers[n+1])
	}
	resp, err := v.server.Client().Do(req)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	a := answer{status: resp.StatusCode, text: string(text)}
	if strings.HasPrefix(a.text, "{") {
		must(t, json.Unmarshal(text, &a))
	}
	return a
}

func (v victim) nonce(t *testing.T) string {
	t.Helper()
	var reply struct{ Nonce string }
	must(t, json.Unmarshal([]byte(v.post(t, tokenV1, map[string]string{"grant_type": "srv_challenge"}).text), &reply))
	return reply.Nonce
}

// claims are those of the laptop's honest request for Exchange, with changes.
func (v victim) claims(t *testing.T, changes map[string]string) map[string]string {
	t.Helper()
	c := map[string]string{
		"grant_type": "refresh_token", "refresh_token": v.prt, "client_id": office, "resource": brokertest.Exchange, "scope": "openid",
		"win_ver": "10.0.22631.3593",
	}
	maps.Copy(c, changes)
	if _, given := c["request_nonce"]; !given {
		c["request_nonce"] = v.nonce(t)
	}
	return c
}

// signed is a request signed with the victim's own session key.
func (v victim) signed(t *testing.T, changes map[string]string) string {
	t.Helper()
	jws, err := prt.SignSession(v.key, prt.KDF2, v.claims(t, changes))
	must(t, err)
	return jws
}

func (v victim) send(t *testing.T, path, jws string) answer {
	t.Helper()
	return v.post(t, path, map[string]string{"windows_api_version": "2.2", "grant_type": bearer, "request": jws, "client_info": "1"})
}

// rows are the sign-in rows since the row with a number.
func (v victim) rows(t *testing.T, after uint64) ([]*signinlog.Row, uint64) {
	t.Helper()
	records, err := v.server.Store.Intake(context.Background(), after, 1000)
	must(t, err)
	var list []*signinlog.Row
	for _, r := range records {
		row, err := r.Row()
		must(t, err)
		list, after = append(list, row), r.Intake
	}
	return list, after
}

// last returns the newest row's result and token protection code.
func (v victim) last(t *testing.T) (result string, status signinlog.TokenProtection) {
	t.Helper()
	rows, _ := v.rows(t, 0)
	row := rows[len(rows)-1]
	must(t, json.Unmarshal([]byte(row.TokenProtectionStatusDetails), &status))
	return row.ResultType, status
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refreshTokenOf(t *testing.T, text []byte) string {
	t.Helper()
	var a answer
	must(t, json.Unmarshal(text, &a))
	return a.Token
}
