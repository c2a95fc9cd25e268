package demo

import (
	"context"
	"fmt"
	"strconv"

	"boundgate/internal/queries"
)

// logAgrees reads from the sign-in log what became of each actor's request since the last change of the policy: the result
// of the policy, and the code of the session.
func (s *story) logAgrees(ctx context.Context, result string, affected func(actor) bool) error {
	want := map[string]int{}
	for _, a := range s.actors {
		if affected(a) {
			want[codeText(a.code)]++
		}
	}
	const kql = `AADNonInteractiveUserSignInLogs
| where ResourceDisplayName in ("Office 365 Exchange Online", "Office 365 SharePoint Online", "Microsoft Teams Services")
| mv-expand todynamic(ConditionalAccessPolicies)
| extend Result = tostring(ConditionalAccessPolicies.result)
| extend Code = tostring(parse_json(TokenProtectionStatusDetails)["signInSessionStatusCode"])
| where Result == "%s"
| summarize Requests = count() by Code
| sort by Code asc`
	var got table
	err := eventually(ctx, func() (bool, error) {
		var err error
		got, err = s.cast.Contoso.Admin.query(ctx, s.cast.Contoso.Workspace, fmt.Sprintf(kql, result))
		return err == nil && sameCounts(got, want), err
	})
	if err != nil {
		err = fmt.Errorf("%w: by code it has %v, and should have %v", err, got.Rows, want)
	}
	s.out.Step("the sign-in log", "has every refusal or would-be refusal, by code", fmt.Sprint(got.Rows), err)
	return nil
}

func sameCounts(t table, want map[string]int) bool {
	if len(t.Rows) != len(want) {
		return false
	}
	for code, n := range want {
		if !t.has(map[string]string{"Code": code, "Requests": strconv.Itoa(n)}) {
			return false
		}
	}
	return true
}

// queries runs the source's three queries on both tables and checks the figures against the story so far: each actor has
// asked once, under the report-only policy.
func (s *story) queries(ctx context.Context) error {
	for n, q := range queries.Source() {
		t, err := s.cast.Contoso.Admin.query(ctx, s.cast.Contoso.Workspace, q.Text)
		if err == nil {
			err = s.checkFigures(n, t)
		}
		s.out.Step("administrator", q.Title, fmt.Sprintf("%d rows", len(t.Rows)), err)
		s.out.Table(t)
		interactive, err := s.cast.Contoso.Admin.query(ctx, s.cast.Contoso.Workspace, q.OnInteractive().Text)
		s.out.Step("administrator", "the same on SigninLogs", fmt.Sprintf("%d rows", len(interactive.Rows)), err)
	}
	return nil
}

// checkFigures holds the answers against figures worked out by hand from castActors. The first two queries see Exchange and
// SharePoint only, as their second filter has it, so the request for Teams Services does not count.
func (s *story) checkFigures(query int, t table) error {
	contoso := s.cast.Contoso
	bob, dora := contoso.People["bob"].name, contoso.People["dora"].name
	expect := [][]map[string]string{
		{
			// Outlook: alice 2 allowed, gina 1; refused would be carol, bob, dora, erin, hugo.
			{"AppDisplayName": "Microsoft Office", "Requests": "8", "Users": "7", "Block": "5", "Allow": "3", "BlockedUsers": "5", "PctAllowed": "37.5"},
			{"AppDisplayName": "Microsoft Teams", "Requests": "1", "Users": "1", "Block": "1", "Allow": "0", "BlockedUsers": "1", "PctAllowed": "0"},
			{"AppDisplayName": "Microsoft SharePoint Online Management Shell", "Requests": "1", "Block": "1", "Allow": "0"},
		},
		{
			{"UserPrincipalName": bob, "AppDisplayName": "Microsoft Office", "ResourceDisplayName": "Office 365 Exchange Online", "Requests": "1", "Block": "1", "Allow": "0", "PctAllowed": "0"},
			{"UserPrincipalName": contoso.People["alice"].name, "AppDisplayName": "Microsoft Office", "ResourceDisplayName": "Office 365 SharePoint Online", "Requests": "1", "Block": "0", "Allow": "1", "PctAllowed": "100"},
		},
		{
			{"UserPrincipalName": bob, "count_": "1"}, {"UserPrincipalName": dora, "count_": "1"},
		},
	}[query]
	rows := []int{3, 10, 3}[query]
	if len(t.Rows) != rows {
		return fmt.Errorf("the answer has %d rows, expected %d: %v", len(t.Rows), rows, t.Rows)
	}
	for _, want := range expect {
		if !t.has(want) {
			return fmt.Errorf("the answer has no row %v: %v", want, t.Rows)
		}
	}
	return nil
}
