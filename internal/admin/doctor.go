package admin

import (
	"context"
	"fmt"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/policylint"
)

// Examine looks at the caller's tenant as a whole: settings that weaken it, licences, emergency access, and every policy.
func (s *Service) Examine(ctx context.Context, c Caller) ([]Warning, error) {
	policies, err := s.Policies(ctx, c)
	if err != nil {
		return nil, err
	}
	t, err := s.Tenant(ctx, c)
	if err != nil {
		return nil, err
	}
	in, err := s.circumstances(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	found := settingWarnings(t.Settings)
	if len(in.Tenant.Emergency) == 0 {
		found = append(found, Warning{ID: "noEmergencyAccount", Severity: Advisory, Message: "The tenant has no emergency-access account.",
			Remedy: "Create one, exclude it from every policy, and keep its password in a safe place."})
	}
	if !requiresTokenProtection(policies) {
		found = append(found, Warning{ID: "noTokenProtection", Severity: Advisory, Message: "No policy that is on requires token protection.",
			Remedy: "Begin with a report-only policy for a pilot group: boundgate policy template token-protection."})
	}
	seen := map[string]bool{}
	for _, p := range policies {
		if p.State == policy.Disabled {
			continue
		}
		for _, f := range policylint.Lint(p, in) {
			w := warningOf(f)
			w.Mended = nil // the policy itself shows it
			if w.Severity == policylint.Info {
				continue
			}
			if w.Target == "" { // about the tenant: once is enough
				if seen[w.ID] {
					continue
				}
				seen[w.ID] = true
			} else {
				w.Message = fmt.Sprintf("%s: %s", p.DisplayName, w.Message)
			}
			found = append(found, w)
		}
	}
	return found, nil
}

func requiresTokenProtection(policies []policy.Policy) bool {
	for _, p := range policies {
		if p.State == policy.Enabled && p.RequiresTokenProtection() {
			return true
		}
	}
	return false
}

// settingWarnings lists the settings that are weaker than the strict ones.
func settingWarnings(s directory.Settings) []Warning {
	found := []Warning{}
	for _, setting := range []struct {
		on bool
		w  Warning
	}{
		{s.AllowKDF1, Warning{ID: "kdf1Allowed", Severity: Serious,
			Message: "Sessions with key derivation version 1 are accepted: a derived key that leaks from a device signs any request of its session.",
			Remedy:  "Update the clients, then run \"boundgate tenant set --allow-kdf1=false\".", Target: "allowKdf1"}},
		{s.AllowDeviceCodeSessions, Warning{ID: "deviceCodeSessionsAllowed", Severity: Serious,
			Message: "Sessions that began with a device code can register devices and become a PRT: whoever phished the code gains a bound session.",
			Remedy:  "Run \"boundgate tenant set --allow-device-code-sessions=false\".", Target: "allowDeviceCodeSessions"}},
		{s.AllowStaleRegistration, Warning{ID: "staleRegistrationAllowed", Severity: Advisory,
			Message: "Devices can be registered without a fresh sign-in; their sign-ins yield code 1003.",
			Remedy:  "Run \"boundgate tenant set --allow-stale-registration=false\".", Target: "allowStaleRegistration"}},
	} {
		if setting.on {
			found = append(found, setting.w)
		}
	}
	return found
}
