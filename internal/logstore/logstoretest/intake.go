// Package logstoretest holds log stores to their promises, whatever engine they run on, and has an intake to feed them
// from.
package logstoretest

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"boundgate/internal/signinlog"
)

// An Intake is a small working logstore.Source in memory: it numbers rows and links them, as the state store does. The
// zero Intake is empty and ready.
type Intake struct {
	Writer string // whose chain the rows are added to
	mu     sync.Mutex
	number uint64
	head   signinlog.Head
	rows   []signinlog.Record
}

// Add adds rows and returns them as they wait.
func (i *Intake) Add(t testing.TB, rows ...*signinlog.Row) []signinlog.Record {
	t.Helper()
	var list []signinlog.Record
	for _, r := range rows {
		canonical, err := r.Canonical()
		if err != nil {
			t.Fatalf("canonical form of a row: %v", err)
		}
		list = append(list, i.AddBytes(canonical))
	}
	return list
}

// AddBytes adds a row by its canonical bytes, whatever they are.
func (i *Intake) AddBytes(canonical []byte) signinlog.Record {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.number++
	seq := i.head.Seq + 1
	i.head = signinlog.Head{Writer: i.Writer, Seq: seq, Hash: signinlog.Link(i.Writer, seq, i.head.Hash, canonical)}
	r := signinlog.Record{Intake: i.number, Writer: i.Writer, Seq: seq, Hash: i.head.Hash, Canonical: canonical}
	i.rows = append(i.rows, r)
	return r
}

// Head returns the end of the writer's chain.
func (i *Intake) Head() signinlog.Head {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.head
}

// Intake serves logstore.Source.
func (i *Intake) Intake(_ context.Context, after uint64, limit int) ([]signinlog.Record, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	var list []signinlog.Record
	for _, r := range i.rows {
		if r.Intake > after && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

// DropIntake serves logstore.Source.
func (i *Intake) DropIntake(_ context.Context, upTo uint64) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rows = slices.DeleteFunc(i.rows, func(r signinlog.Record) bool { return r.Intake <= upTo })
	return nil
}

// Waiting returns how many rows have not been dropped.
func (i *Intake) Waiting() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.rows)
}

// Workspaces of the tests.
const (
	Ours   = "11111111-2222-4333-8444-555555555555"
	Theirs = "99999999-2222-4333-8444-555555555555"
)

// Row returns a row as sign-ins write them, the n-th by a clock that goes on by a second.
func Row(n int, table, workspace string) *signinlog.Row {
	at := time.Date(2026, 11, 1, 12, 0, 0, 123000, time.UTC).Add(time.Duration(n) * time.Second)
	r := &signinlog.Row{
		TimeGenerated: at, CreatedDateTime: at, TenantID: workspace, AADTenantID: "9f2b6c1d-7a44-4c0e-8b7e-0c6a1f3d2e55",
		Type: table, SourceSystem: "Azure AD", Category: signinlog.NonInteractiveCategory, OperationName: "Sign-in activity",
		OperationVersion: "1.0", Level: "4",
		ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", n), CorrelationID: fmt.Sprintf("00000000-0000-4000-9000-%012d", n/3),
		ResultType: "0", ResultSignature: "SUCCESS", Status: `{"errorCode":0}`,
		ConditionalAccessPolicies: `[{"id":"3a4f2f0c-1b1f-4f0a-8a51-9c2f1d6e7b90","displayName":"TP01 - Token protection - Windows","enforcedGrantControls":[],` +
			`"enforcedSessionControls":["SignInTokenProtection"],"sessionControlsNotSatisfied":[],"result":"success","conditionsSatisfied":23,"conditionsNotSatisfied":0},` +
			`{"id":"7bd2a9d4-55b0-4a0e-9d33-0a7d5c1f2e02","displayName":"CA05 - Block unknown platforms","enforcedGrantControls":["Block"],` +
			`"enforcedSessionControls":[],"sessionControlsNotSatisfied":[],"result":"notApplied","conditionsSatisfied":3,"conditionsNotSatisfied":4}]`,
		ConditionalAccessStatus: "success", ConditionalAccessAudiences: `["00000003-0000-0ff1-ce00-000000000000"]`,
		TokenProtectionStatusDetails: `{"signInSessionStatus":"bound","signInSessionStatusCode":0}`,
		DeviceDetail: `{"deviceId":"2b9d8a57-1d1c-4e5b-a4cf-6f4f8e5d7a90","displayName":"CORP-LT-014","operatingSystem":"Windows11",` +
			`"isCompliant":true,"isManaged":true,"trustType":"Azure AD joined"}`,
		LocationDetails:       `{"city":"Helsinki","countryOrRegion":"FI","geoCoordinates":{"latitude":60.17,"longitude":24.94}}`,
		AuthenticationDetails: `[{"authenticationMethod":"Previously satisfied","succeeded":true}]`, NetworkLocationDetails: "[]",
		AuthenticationProcessingDetails: `[{"key":"Is CAE Token","value":"False"}]`, AuthenticationRequirement: "singleFactorAuthentication",
		AuthenticationProtocol: "none", IncomingTokenType: "primaryRefreshToken",
		AppID: "ab9b8c07-8f02-4f72-87fa-80105867a763", AppDisplayName: "OneDrive SyncEngine",
		ResourceDisplayName: "Office 365 SharePoint Online", ResourceIdentity: "00000003-0000-0ff1-ce00-000000000000",
		ClientAppUsed: "Mobile Apps and Desktop clients", UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64)", IPAddress: "203.0.113.20",
		UniqueTokenIdentifier: fmt.Sprintf("URB3vEvKUUuClW%08d", n), SessionID: fmt.Sprintf("00a5c1f4-71f0-4f4c-9c7e-%012d", n/10),
		UserID: fmt.Sprintf("6c1f3a0e-5f5b-4a57-9a3a-%012d", n%500), UserPrincipalName: fmt.Sprintf("user%d@contoso.example", n%500),
		UserDisplayName: "Mika Laine", Identity: "Mika Laine", UserType: "Member", TokenIssuerType: "AzureAD",
	}
	if table == signinlog.InteractiveTable {
		r.IsInteractive, r.Category, r.IncomingTokenType = true, signinlog.InteractiveCategory, "none"
	}
	return r
}

// RandomRow returns a row whose every member is something odd.
func RandomRow(rng *rand.Rand, table, workspace string) *signinlog.Row {
	var r signinlog.Row
	v := reflect.ValueOf(&r).Elem()
	for n := range v.NumField() {
		switch f := v.Field(n).Addr().Interface().(type) {
		case *string:
			*f = randomText(rng)
		case *bool:
			*f = rng.IntN(2) == 0
		case *int64:
			*f = int64(rng.Uint64())
		case *time.Time:
			*f = time.UnixMicro(rng.Int64N(250_000_000_000_000_000) - 60_000_000_000_000_000).UTC() // the years 68 to 7991
		}
	}
	r.TenantID, r.Type = workspace, table
	r.ConditionalAccessPolicies, r.Status = randomJSON(rng), randomJSON(rng)
	r.DeviceDetail, r.LocationDetails, r.TokenProtectionStatusDetails = randomJSON(rng), randomJSON(rng), randomJSON(rng)
	return &r
}

var odd = []string{
	"", " ", "\x00", "a\x00b", "\u0085\u2028\ufeff", "e\u0301", "Autopilot 自己展開プロファイル", "👩🏽‍🚀", "\U0010ffff", "\"", `\`, `'; DROP TABLE feeds; --`,
	"<script>&amp;", "\r\n\t\b\f\x1f\x7f", "NULL", "[]", "{}", "0", "-1e400", "%s", "$1", "\u202eabc", "\ufffd",
}

func randomText(rng *rand.Rand) string {
	switch rng.IntN(8) {
	case 0:
		return strings.Repeat(odd[rng.IntN(len(odd))], rng.IntN(200))
	case 1:
		return strings.Repeat("x", rng.IntN(20)) // around the length that DuckDB keeps within a cell
	}
	return odd[rng.IntN(len(odd))] + odd[rng.IntN(len(odd))]
}

// randomJSON returns JSON with the members that have twins, or something that is not quite JSON.
func randomJSON(rng *rand.Rand) string {
	names := []string{
		"errorCode", "failureReason", "deviceId", "isCompliant", "id", "displayName", "enforcedSessionControls", "result", "city",
		"conditionsSatisfied", "geoCoordinates", "signInSessionStatusCode", "latitude", "longitude", "x",
	}
	var value func(depth int) any
	object := func(depth int) map[string]any {
		o := map[string]any{}
		for range rng.IntN(6) {
			o[names[rng.IntN(len(names))]] = value(depth)
		}
		return o
	}
	value = func(depth int) any {
		kinds := 8
		if depth > 3 {
			kinds = 6
		}
		switch rng.IntN(kinds) {
		case 0:
			return nil
		case 1:
			return rng.IntN(2) == 0
		case 2:
			return rng.IntN(100000)
		case 3:
			return float64(rng.IntN(100000)) / 64
		case 4, 5:
			return odd[rng.IntN(len(odd))]
		case 6:
			list := []any{}
			for range rng.IntN(4) {
				list = append(list, value(depth+1))
			}
			return list
		}
		return object(depth + 1)
	}
	var top any = object(0)
	if rng.IntN(2) == 0 {
		list := []any{}
		for range rng.IntN(5) {
			list = append(list, object(0))
		}
		top = list
	}
	text, err := json.Marshal(top)
	if err != nil {
		panic(err) // of values that always encode
	}
	if rng.IntN(10) == 0 {
		return strings.ToValidUTF8(string(text[:rng.IntN(len(text))]), "?")
	}
	return string(text)
}
