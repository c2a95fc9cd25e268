package portal_test

import (
	"context"
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/factor/factortest"
)

var passkeyOptions = regexp.MustCompile(`data-options="([^"]*)"`)

// passkeyOptions are those that the page's script hands to the browser.
func (p *person) passkeyOptions() json.RawMessage {
	p.t.Helper()
	found := passkeyOptions.FindStringSubmatch(p.page)
	if found == nil {
		p.t.Fatalf("the page (%d) asks for no passkey:\n%s", p.status, p.page)
	}
	return json.RawMessage(html.UnescapeString(found[1]))
}

// withPasskey is a person who has registered a passkey in this browser, and the authenticator that holds it.
func withPasskey(t *testing.T, s *brokertest.Server, count uint32) (*person, *factortest.Authenticator) {
	t.Helper()
	policyFor(t, s, multiFactor)
	p, a := newPerson(t, s), factortest.New(t, brokertest.PasskeyOrigin)
	a.Count = count
	p.get(authorizePath + request().Encode())
	p.signIn(brokertest.Alice)
	p.submit("step", "enrolpasskey", "response", string(a.Create(p.passkeyOptions())))
	p.code()
	return p, a
}

// A passkey's answer counts once and for ten minutes, whether or not the passkey counts: whoever has a copy of the form, its
// answer and the browser's cookies gets no further with them. // P03
func TestPasskeyAnswersOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		count uint32
	}{{"with a counter", 1}, {"without one", 0}} {
		t.Run(tt.name, func(t *testing.T) {
			s := brokertest.New(t)
			_, a := withPasskey(t, s, tt.count)
			owner := newPerson(t, s)
			owner.get(authorizePath + request().Encode())
			owner.signIn(brokertest.Alice)
			a.Count += tt.count
			page, answer := owner.page, string(a.Get(owner.passkeyOptions()))
			owner.submit("step", "passkey", "response", answer)
			owner.code()

			owner.page = page
			owner.submit("step", "passkey", "response", answer)
			owner.refused("500121")

			s.Advance(11 * time.Minute)
			owner.submit("step", "passkey", "response", string(a.Get(owner.passkeyOptions())))
			owner.refused("500121")

			a.Count += tt.count
			owner.submit("step", "passkey", "response", string(a.Get(owner.passkeyOptions())))
			owner.code()
		})
	}
}

// refused fails unless the browser is still here, and the log says why.
func (p *person) refused(code string) {
	p.t.Helper()
	if row := p.lastRow(); p.location != nil || row.ResultType != code {
		p.t.Fatalf("%d %v, row %s, want %s", p.status, p.location, row.ResultType, code)
	}
}

// A second factor that a person registers has its row in the audit log, and the row tells no secret. // P11
func TestRegisteringIsAudited(t *testing.T) {
	s := brokertest.New(t)
	withPasskey(t, s, 1)
	rows, err := s.Store.AuditEntries(context.Background(), brokertest.Tenant, audit.Query{Limit: 100})
	must(t, err)
	rows = slices.DeleteFunc(rows, func(e audit.Entry) bool { return e.Activity != "User registered security info" })
	if len(rows) != 1 || rows[0].Actor.UPN != brokertest.Alice || rows[0].Actor.IPAddress != "192.0.2.1" {
		t.Fatalf("rows: %+v", rows)
	}
	if after := string(rows[0].After); !strings.Contains(after, `"kind":"fido2"`) || strings.Contains(after, "publicKey") {
		t.Errorf("after: %s", after)
	}
}
