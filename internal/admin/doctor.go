package admin

import (
	"context"
	"fmt"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
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
	in, err := s.circumstancesOf(ctx, c.Tenant)
	if err != nil {
		return nil, err
	}
	found := settingWarnings(t.Settings)
	if len(in.emergency) == 0 {
		found = append(found, Warning{"noEmergencyAccount", Advisory, "The tenant has no emergency-access account.",
			"Create one, exclude it from every policy, and keep its password in a safe place.", ""})
	}
	if !requiresTokenProtection(policies) {
		found = append(found, Warning{"noTokenProtection", Advisory, "No policy that is on requires token protection.",
			"Begin with a report-only policy for a pilot group: boundgate policy template token-protection.", ""})
	}
	seen := map[string]bool{}
	for _, p := range policies {
		if p.State == policy.Disabled {
			continue
		}
		for _, w := range warnings(p, in) {
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
		{s.AllowKDF1, Warning{"kdf1Allowed", Serious,
			"Sessions with key derivation version 1 are accepted: a derived key that leaks from a device signs any request of its session.",
			"Update the clients, then run \"boundgate tenant set --allow-kdf1=false\".", "allowKdf1"}},
		{s.AllowDeviceCodeSessions, Warning{"deviceCodeSessionsAllowed", Serious,
			"Sessions that began with a device code can register devices and become a PRT: whoever phished the code gains a bound session.",
			"Run \"boundgate tenant set --allow-device-code-sessions=false\".", "allowDeviceCodeSessions"}},
		{s.AllowStaleRegistration, Warning{"staleRegistrationAllowed", Advisory,
			"Devices can be registered without a fresh sign-in; their sign-ins yield code 1003.",
			"Run \"boundgate tenant set --allow-stale-registration=false\".", "allowStaleRegistration"}},
	} {
		if setting.on {
			found = append(found, setting.w)
		}
	}
	return found
}
