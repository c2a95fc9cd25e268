package cli

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/spf13/cobra"
)

// policyWhatIf asks what the policies would say of a sign-in that nobody has made.
func (a *app) policyWhatIf() *cobra.Command {
	var userName, resource, platform, clientApp, address, country, deviceID, flow string
	var bound, unbound, mfa bool
	cmd := &cobra.Command{
		Use: "whatif --user USER --resource RESOURCE", Short: "Say what the policies would decide on a sign-in", Args: arguments(),
		Long: "Say for each policy whether it would apply to a sign-in, and why, and what all of them would decide. What is not given is not\n" +
			"known, and never in favour of the one who signs in.",
		Example: "  boundgate policy whatif --user alice@contoso.example --resource 'Office 365 Exchange Online' --platform windows --unbound\n" +
			"  boundgate policy whatif --user alice@contoso.example --resource 00000002-0000-0ff1-ce00-000000000000 --ip 203.0.113.7 --json",
	}
	cmd.RunE = a.run(func(ctx context.Context, c *client, _ []string) error {
		if userName == "" || resource == "" || bound && unbound {
			return Usage(cmd, "give --user and --resource, and not both --bound and --unbound")
		}
		var u object
		if err := c.get(ctx, path("users", userName), &u); err != nil {
			return err
		}
		appID, err := resourceID(ctx, c, resource)
		if err != nil {
			return err
		}
		conditions := map[string]any{}
		for name, value := range map[string]string{"devicePlatform": platform, "clientAppType": clientApp, "ipAddress": address, "country": country} {
			if value != "" {
				conditions[name] = value
			}
		}
		if deviceID != "" {
			conditions["deviceInfo"] = map[string]string{"deviceId": deviceID}
		}
		if flow != "" {
			conditions["authenticationFlow"] = map[string]string{"transferMethod": flow}
		}
		session := map[string]any{"multiFactor": mfa}
		if bound || unbound {
			session["bound"] = bound
		}
		body := map[string]any{
			"signInIdentity":   map[string]string{"@odata.type": "#microsoft.graph.userSignIn", "userId": u.ID},
			"signInContext":    map[string]any{"@odata.type": "#microsoft.graph.applicationContext", "includeApplications": []string{appID}},
			"signInConditions": conditions, "@boundgate.session": session,
		}
		var raw json.RawMessage
		if err := c.graph(ctx, http.MethodPost, "/identity/conditionalAccess/evaluate", body, &raw); err != nil {
			return err
		}
		return a.showWhatIf(raw)
	})
	cmd.Flags().StringVar(&userName, "user", "", "who signs in: user principal name or id")
	cmd.Flags().StringVar(&resource, "resource", "", "what for: name or application id of the resource")
	cmd.Flags().StringVar(&platform, "platform", "", "windows, macOS, iOS, android or linux")
	cmd.Flags().StringVar(&clientApp, "client-app", "", "browser, mobileAppsAndDesktopClients, exchangeActiveSync or other")
	cmd.Flags().StringVar(&address, "ip", "", "from which address")
	cmd.Flags().StringVar(&country, "country", "", "from which country, by its two letters")
	cmd.Flags().StringVar(&deviceID, "device", "", "from which registered device, by its device id")
	cmd.Flags().StringVar(&flow, "flow", "", "deviceCodeFlow or authenticationTransfer")
	cmd.Flags().BoolVar(&bound, "bound", false, "with a bound sign-in session")
	cmd.Flags().BoolVar(&unbound, "unbound", false, "with an unbound sign-in session")
	cmd.Flags().BoolVar(&mfa, "mfa", false, "with a second factor")
	return cmd
}

// resourceID returns the application id of a resource that is named by it or by its display name.
func resourceID(ctx context.Context, c *client, name string) (string, error) {
	if isGUID(name) {
		return name, nil
	}
	found, err := list[struct {
		AppID string `json:"appId"`
	}](ctx, c, filtered("/servicePrincipals", "displayName eq "+quoted(name)))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", failure("name it by its application id; \"boundgate resource list\" has them", "%d resources are called %q", len(found), name)
	}
	return found[0].AppID, nil
}

func (a *app) showWhatIf(raw json.RawMessage) error {
	type cause struct {
		PolicyName  string `json:"policyName"`
		Requirement string `json:"requirement"`
		ErrorCode   int    `json:"errorCode"`
	}
	var answer struct {
		Decision struct {
			Status  string `json:"status"`
			Cause   *cause `json:"cause"`
			WouldBe *cause `json:"wouldBe"`
		} `json:"@boundgate.decision"`
		Value []struct {
			DisplayName string `json:"displayName"`
			State       string `json:"state"`
			Result      string `json:"@boundgate.result"`
			Reason      string `json:"@boundgate.reason"`
			Analysis    string `json:"analysisReasons"`
		} `json:"value"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return failure("check that the server has this program's version", "the server's answer cannot be read: %v", err)
	}
	t := table{header: []string{"POLICY", "STATE", "RESULT", "BECAUSE"}}
	for _, p := range answer.Value {
		t.add(p.DisplayName, stateWord(p.State), p.Result, p.Reason)
	}
	if err := a.show(raw, t); err != nil {
		return err
	}
	d := answer.Decision
	switch {
	case d.Cause != nil:
		a.say("\nRefused: AADSTS%d, %s, by %q.", d.Cause.ErrorCode, d.Cause.Requirement, d.Cause.PolicyName)
	default:
		a.say("\nGranted (%s).", d.Status)
	}
	if d.WouldBe != nil {
		a.say("The report-only policies would refuse: AADSTS%d, %s, by %q.", d.WouldBe.ErrorCode, d.WouldBe.Requirement, d.WouldBe.PolicyName)
	}
	return nil
}
