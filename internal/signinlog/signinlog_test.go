package signinlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"boundgate/internal/kql/schema"
)

// The columns that Log Analytics has in 2026: name, type in SigninLogs, type in AADNonInteractiveUserSignInLogs.
const documented = `
TimeGenerated CreatedDateTime                                          datetime datetime
TenantId AADTenantId Type SourceSystem Category OperationName OperationVersion Level Id CorrelationId OriginalRequestId
ResultType ResultDescription ResultSignature                           string string
Status ConditionalAccessPolicies                                       dynamic string
AppliedConditionalAccessPolicies                                       string -
ConditionalAccessStatus ConditionalAccessAudiences                     string string
TokenProtectionStatusDetails DeviceDetail LocationDetails MfaDetail Agent dynamic string
AppliedEventListeners                                                  dynamic dynamic
AuthenticationDetails AuthenticationProcessingDetails AuthenticationRequirementPolicies AuthenticationContextClassReferences
NetworkLocationDetails SessionLifetimePolicies AuthenticationMethodsUsed AuthenticationRequirement AuthenticationProtocol
IncomingTokenType OriginalTransferMethod ClientCredentialType          string string
AuthenticationAppDeviceDetails AuthenticationAppPolicyEvaluationDetails string -
AuthenticatorAppLocation AutonomousSystemNumber AppId AppDisplayName AppOwnerTenantId ResourceDisplayName ResourceIdentity
ResourceServicePrincipalId ResourceTenantId ResourceOwnerTenantId ResourceGroup string string
Resource ResourceId ResourceProvider                                   string -
ClientAppUsed UserAgent UniqueTokenIdentifier SessionId                string string
ClientSessionId SignInEventTypes                                       - string
IsInteractive IsRisky IsTenantRestricted IsThroughGlobalSecureAccess   bool bool
FlaggedForReview                                                       bool -
DurationMs                                                             long long
ProcessingTimeInMilliseconds                                           string -
ProcessingTimeInMs                                                     - string
IPAddress GlobalSecureAccessIpAddress Location                         string string
IPAddressFromResourceProvider                                          string -
Identity UserDisplayName UserId UserPrincipalName UserType AlternateSignInName SignInIdentifierType HomeTenantId HomeTenantName
CrossTenantAccessType                                                  string string
SignInIdentifier ServicePrincipalName SourceAppClientId                string -
ServicePrincipalId FederatedCredentialId TokenIssuerName TokenIssuerType string string
RiskDetail RiskEventTypes RiskEventTypes_V2 RiskLevelAggregated RiskLevelDuringSignIn RiskState string string
RiskLevel                                                              string -
_BilledSize                                                            real real
_IsBillable                                                            string string`

// Queries see the columns of Log Analytics, in the types that they have there, and no others. // S53
func TestSchemaIsThatOfLogAnalytics(t *testing.T) {
	want := map[string]map[string]string{InteractiveTable: {}, NonInteractiveTable: {}}
	words := strings.Fields(documented)
	types := map[string]bool{"string": true, "dynamic": true, "datetime": true, "bool": true, "long": true, "real": true, "-": true}
	var names []string
	for n := 0; n < len(words); n++ {
		if !types[words[n]] {
			names = append(names, words[n])
			continue
		}
		for m, table := range []string{InteractiveTable, NonInteractiveTable} {
			for _, name := range names {
				if kind := words[n+m]; kind != "-" {
					want[table][name] = kind
				}
			}
		}
		names, n = nil, n+1
	}
	got := map[string]map[string]string{}
	for _, table := range Schema(strings.ToLower).Tables {
		if table.Name == ServicePrincipalTable { // its columns are some of the other tables', and none about a person
			for _, c := range table.Columns {
				if want[NonInteractiveTable][c.Name] == "" && c.Name != "ServicePrincipalName" || strings.Contains(c.Name, "User") && c.Name != "UserAgent" {
					t.Errorf("%s has a column %s", table.Name, c.Name)
				}
			}
			continue
		}
		got[table.Name] = map[string]string{}
		for _, c := range table.Columns {
			got[table.Name][c.Name] = string(c.Type)
		}
		if table.Physical != strings.ToLower(table.Name) || table.TimeColumn != "TimeGenerated" {
			t.Errorf("table %s is %q in the store, with the time in %q", table.Name, table.Physical, table.TimeColumn)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns differ (-want +got):\n%s", diff)
	}
}

func TestTwinsInTheSchema(t *testing.T) {
	for _, table := range Schema(strings.ToLower).Tables {
		for _, c := range table.Columns {
			switch c.Name {
			case "ConditionalAccessPolicies":
				if len(c.Lists) != 8 || c.Lists["enforcedSessionControls"] != "cap_enforcedsessioncontrols" || c.Shredded != PoliciesShredded {
					t.Errorf("%s: twins of the policies are %v, %q", table.Name, c.Lists, c.Shredded)
				}
			case "LocationDetails":
				if c.Members["geoCoordinates.latitude"] != (schema.Member{Column: "ld_geocoordinates_latitude", Type: schema.String}) {
					t.Errorf("%s: twins of the location are %v", table.Name, c.Members)
				}
			case "UserPrincipalName":
				if c.Lists != nil || c.Members != nil {
					t.Errorf("%s: a plain column has twins", table.Name)
				}
			}
		}
	}
}

// The canonical form is fixed: this row has had these bytes and this hash since the first release. // P12
func TestCanonicalFormIsFixed(t *testing.T) {
	at := time.Date(2026, 5, 4, 7, 12, 9, 118_000_000, time.UTC)
	r := Row{TimeGenerated: at, CreatedDateTime: at.Truncate(time.Second), TenantID: "w", AADTenantID: "t", Type: InteractiveTable, ID: "i",
		ResultType: "0", UserPrincipalName: "<å\x00>", IsInteractive: true, RiskState: "none"}
	canonical, err := r.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"TimeGenerated":"2026-05-04T07:12:09.118Z","CreatedDateTime":"2026-05-04T07:12:09Z","TenantId":"w","AADTenantId":"t",` +
		`"Type":"SigninLogs","Id":"i","ResultType":"0","IsInteractive":true,"UserPrincipalName":"<å\u0000>","RiskState":"none"}`
	if diff := cmp.Diff(want, string(canonical)); diff != "" {
		t.Errorf("canonical bytes differ (-want +got):\n%s", diff)
	}
	if again, err := (Record{Canonical: canonical}).Row(); err != nil || *again != r {
		t.Errorf("the row comes back as %+v, %v", again, err)
	}
	const link = "184f36705555e3be223f7cc03a7135f7b15d370ed29cc32d0f0992546518f08d"
	if got := fmt.Sprintf("%x", Link("node", 1, Hash{}, canonical)); got != link {
		t.Errorf("the link is %s, want %s", got, link)
	}
}

func TestFollowingAChain(t *testing.T) {
	rows := [][]byte{[]byte("one"), []byte("two"), []byte("three")}
	start := Head{Writer: "node"}
	heads := []Head{start}
	for n, r := range rows {
		last := heads[n]
		heads = append(heads, Head{"node", last.Seq + 1, Link("node", last.Seq+1, last.Hash, r)})
	}
	for _, tt := range []struct {
		name  string
		from  Head
		seq   uint64
		hash  Hash
		bytes string
		whole bool
	}{
		{"the first row", start, 1, heads[1].Hash, "one", true},
		{"the next row", heads[2], 3, heads[3].Hash, "three", true},
		{"other bytes", heads[1], 2, heads[2].Hash, "TWO", false},
		{"another hash", heads[1], 2, heads[3].Hash, "two", false},
		{"a row left out", heads[1], 3, heads[3].Hash, "three", false},
		{"a row again", heads[2], 2, heads[2].Hash, "two", false},
		{"another writer's row", Head{"other", 1, heads[1].Hash}, 2, heads[2].Hash, "two", false},
		{"another past", Head{"node", 1, heads[2].Hash}, 2, heads[2].Hash, "two", false},
	} {
		got, err := tt.from.Next(tt.seq, tt.hash, []byte(tt.bytes))
		if tt.whole != (err == nil) || err != nil && !errors.Is(err, ErrChain) {
			t.Errorf("%s: %v", tt.name, err)
		}
		want := tt.from
		if tt.whole {
			want = Head{tt.from.Writer, tt.seq, tt.hash}
		}
		if got != want {
			t.Errorf("%s: the chain goes to %+v, want %+v", tt.name, got, want)
		}
	}
}

// FuzzShred: whatever a column holds, shredding gives a value for each twin, lists of one length, and a flag; and what
// it remembers is what it would read again.
func FuzzShred(f *testing.F) {
	for _, s := range []string{``, `[]`, `[{"id":"a","result":null}]`, `[{"id":"a","id":"b"}]`, `{"errorCode":1.50}`, `[{"displayName":"\ud800\u003c"}]`, `[[[`, `{"geoCoordinates":{"latitude":1}}`} {
		f.Add(s)
	}
	var s Shredder
	f.Fuzz(func(t *testing.T, text string) {
		r := &Row{ConditionalAccessPolicies: text, Status: text, DeviceDetail: text, LocationDetails: text, TokenProtectionStatusDetails: text}
		first, again := s.Append(nil, r), s.Append(nil, r)
		if diff := cmp.Diff(first, again); diff != "" || len(first) != len(Twins)+1 {
			t.Fatalf("%q: %d values; the second time (-first +again):\n%s", text, len(first), diff)
		}
		ok, length := first[len(Twins)] == true, -1
		for n, twin := range Twins {
			list, isList := first[n].([]any)
			if isList != twin.List || isList && length >= 0 && len(list) != length {
				t.Fatalf("%q: %s is %v", text, twin.Name, first[n])
			}
			if isList {
				length = len(list)
			}
		}
		if ok && !json.Valid([]byte(text)) || !ok && length > 0 {
			t.Fatalf("%q: complete %t with %d elements", text, ok, length)
		}
	})
}
