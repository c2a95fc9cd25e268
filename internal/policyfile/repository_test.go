package policyfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
	"boundgate/internal/policyfile"
)

// Objects of the tenant that the tests import into.
const (
	pilotID      = "11111111-1111-4111-8111-111111111111"
	breakGlassID = "22222222-2222-4222-8222-222222222222"
	salesID      = "33333333-3333-4333-8333-333333333333"
	mikaID       = "44444444-4444-4444-8444-444444444444"
	workloadID   = "55555555-5555-4555-8555-555555555555"
)

func objects() policyfile.Objects {
	all := policyfile.Objects{
		policyfile.Group:            {{ID: pilotID, Name: "Pilot"}, {ID: breakGlassID, Name: "Break glass"}, {ID: salesID, Name: "営業部"}},
		policyfile.User:             {{ID: mikaID, Name: "mika@contoso.example"}},
		policyfile.Role:             {{ID: string(directory.GlobalAdministrator), Name: "Global Administrator"}},
		policyfile.ServicePrincipal: {{ID: workloadID, Name: "Nightly"}},
	}
	for _, r := range directory.WellKnownResources() {
		all[policyfile.Application] = append(all[policyfile.Application], policyfile.Object{ID: string(r.AppID), Name: r.DisplayName})
	}
	return all
}

// What the placeholders of public repositories stand for here.
var publicMapping = policyfile.Mapping{
	"<RING>": "Pilot", "<ExclusionTempGroup>": "Break glass", "<ExclusionPermGroup>": "Break glass", "<EmergencyAccessAccountsGroup>": breakGlassID,
	"<AADP2Group>": "<group:Pilot>", "<SynchronizationServiceAccountsGroup>": "営業部", "<AdministratorGroup>": "Pilot",
	"6c96716b-b32b-40b8-9009-49748bb6fcd5": "Pilot", "f753047e-de31-4c74-a6fb-c38589047723": "Break glass",
}

// importing returns what is wrong with each file below a directory: "" for nothing.
func importing(t *testing.T, root string) map[string]string {
	t.Helper()
	var documents []policyfile.Document
	wrong := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		found, problems := policyfile.Read(name, data)
		documents = append(documents, found...)
		wrong[name] = ""
		for _, p := range problems {
			wrong[name] += p.String() + "\n"
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	steps, err := policyfile.Plan(documents, policyfile.Tenant{Directory: objects()}, policyfile.Options{Mapping: publicMapping, State: policyfile.NeverOn, OnlyCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		for _, p := range s.Problems {
			wrong[s.File] += p.String() + "\n"
		}
		if s.Action == policyfile.Create && s.Kind == policyfile.Policy && s.After.State == policy.Enabled {
			t.Errorf("%s: would be On", s.File)
		}
	}
	return wrong
}

// expect compares what was refused with a table of file and reason; files that are not in the table have to pass.
func expect(t *testing.T, got, refused map[string]string) {
	t.Helper()
	for file, problems := range got {
		want, refusal := refused[file]
		switch {
		case !refusal && problems != "":
			t.Errorf("%s is refused:\n%s", file, problems)
		case refusal && !strings.Contains(problems, want):
			t.Errorf("%s: %q, want it refused with %q", file, problems, want)
		}
	}
	for file := range refused {
		if _, there := got[file]; !there {
			t.Errorf("%s is in the table and not among the files", file)
		}
	}
}

func TestWhatRepositoriesHoldIsImported(t *testing.T) {
	expect(t, importing(t, filepath.Join("testdata", "repository")), map[string]string{
		"unknown-condition.json":  `unknown-condition.json:7:19: /conditions/moonPhases "moonPhases" is not supported here.`,
		"empty-client-types.json": "/conditions/clientAppTypes",
		"placeholder.json":        "/conditions/users/includeGroups/0 <PilotRing7> is a placeholder. Say what it stands for: --map '<PilotRing7>=NAME'.",
		"comment.json":            "comment.json:3:3: This is not JSON",
	})
}

// The files of two public repositories are not part of this one.
func TestPublicRepositoriesAreImported(t *testing.T) {
	samples := os.Getenv("BOUNDGATE_SAMPLES")
	if samples == "" {
		samples = filepath.Join("..", "..", "..", "shared", "samples")
	}
	for _, repository := range []struct {
		dir     string
		refused map[string]string
	}{
		{"AlexFilipin_ConditionalAccess", map[string]string{
			"Global Secure Access/800 - RING - Global Secure Access - All Apps Block Access outside of GSA.json": "/conditions/locations/excludeLocations/0 There is no location with the id 3d46dbda-8382-466a-856d-eb00cbc6b910",
			"Global Secure Access/802 - RING - Global Secure Access - Specific Websites Block.json":              `/conditions/applications/networkAccess "networkAccess" is not supported here.`,
		}},
		{"Azure-Samples_azure-ad-conditional-access-apis", map[string]string{
			"template-require-mfa-b2b-users.json":                  "/conditions/clientAppTypes The list of client application types is empty.",
			"template-require-mfa-security-info-registration.json": "/conditions/clientAppTypes The list of client application types is empty.",
		}},
	} {
		t.Run(repository.dir, func(t *testing.T) {
			root := filepath.Join(samples, repository.dir)
			if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
				t.Skipf("left out: %s is not there; set BOUNDGATE_SAMPLES to the directory of the samples", root)
			}
			expect(t, importing(t, root), repository.refused)
		})
	}
}
