package devicefilter

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"boundgate/internal/device"
	"boundgate/internal/directory"
)

const (
	idA = "a0000000-0000-4000-8000-000000000001"
	idB = "b0000000-0000-4000-8000-000000000002"
)

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

// fleet returns the devices that the examples speak of: A a corporate laptop, B a Cloud PC, C a virtual desktop host, D a
// kiosk, E somebody's own PC, F a server, U an unregistered device.
func fleet() map[string]*Device {
	managed := func(d device.Device) device.Device {
		d.IsCompliant, d.IsManaged, d.MDMAppID = yes(), yes(), intuneAppID
		d.TrustType, d.Ownership = device.Joined, "Company"
		return d
	}
	a := managed(device.Device{ID: idA, DisplayName: "CORP-LT-014", OperatingSystem: "Windows", OperatingSystemVersion: "10.0.22631.3593",
		Model: "Surface Laptop 6", EnrollmentProfileName: "Corp user-driven", PhysicalIDs: []string{"[ZTDId]:1b2c"}})
	a.ExtensionAttributes[0] = "SAW"
	b := managed(device.Device{ID: idB, SystemLabels: []string{"CloudPC"}, Model: "Cloud PC Enterprise 4vCPU/16GB"})
	c := device.Device{ID: "c", TrustType: device.Joined, ProfileType: "SecureVM", SystemLabels: []string{"AzureVirtualDesktop", "AzureResource"}, IsManaged: no()}
	d := managed(device.Device{ID: "d", SystemLabels: []string{"MultiUser"}, EnrollmentProfileName: "Autopilot self-deployment profile"})
	e := device.Device{ID: "e", TrustType: device.Registered, Ownership: "Personal", IsCompliant: no(), IsManaged: no(),
		OperatingSystem: "Windows", OperatingSystemVersion: "10.0.19045", DisplayName: "Ana's PC at O'Hare"}
	e.ExtensionAttributes[0] = "SAW"
	f := device.Device{ID: "f", TrustType: device.HybridJoined, Ownership: "Company", OperatingSystem: "Windows", OperatingSystemVersion: "10.0.17763"}
	return map[string]*Device{"A": FromDevice(a), "B": FromDevice(b), "C": FromDevice(c), "D": FromDevice(d),
		"E": FromDevice(e), "F": FromDevice(f), "U": nil}
}

func TestExamples(t *testing.T) {
	devices := fleet()
	for _, tt := range []struct{ rule, matches, misses string }{
		{`systemLabels -eq "CloudPC" and trustType -eq "AzureAD"`, "B", "ACU"},             // S26
		{`systemLabels -eq "AzureVirtualDesktop" and trustType -eq "AzureAD"`, "C", "ABU"}, // S26
		{`profileType -eq "SecureVM" and trustType -eq "AzureAD"`, "C", "ABF"},             // S26
		{`enrollmentProfileName -eq "Autopilot self-deployment profile"`, "D", "ABU"},      // S26
		{`device.enrollmentProfileName -startsWith "autopilot"`, "D", "AU"},
		{`device.systemLabels -contains "Cloud"`, "", "ABCU"},
		{`device.systemLabels -notContains "CloudPC"`, "ACDEFU", "B"},
		{`device.model -contains "cloud pc"`, "B", "AU"},
		{`device.trustType -ne "AzureAD"`, "EFU", "ABCD"},
		{`device.isCompliant -eq True`, "ABD", "CEFU"},
		{`device.isCompliant -ne True`, "CEFU", "ABD"},
		{`device.isCompliant -eq True -or device.trustType -eq "ServerAD"`, "ABDF", "CEU"},
		{`device.trustType -ne "ServerAD" -and device.isCompliant -ne True`, "CEU", "ABDF"},
		{`device.extensionAttribute1 -eq "SAW"`, "A", "EU"},
		{`device.extensionAttribute1 -ne "SAW"`, "BEFU", "A"},
		{`device.operatingSystemVersion -startsWith "10.0.2"`, "A", "EFU"},
		{`device.deviceId -in ["` + idA + `","` + idB + `"]`, "AB", "CU"},
		{`device.deviceId -notIn ["` + idA + `"]`, "BCDEFU", "A"},
		{`device.deviceOwnership -eq "personal"`, "E", "AU"},
		{`device.physicalIds -contains "[ZTDId]:1b2c"`, "A", "BU"},
		{`device.physicalIds -contains "[ZTDId]"`, "", "A"},
		{`-not (device.trustType -eq "Workplace")`, "ABCDFU", "E"},
		{`device.trustType -eq "Workplace" -or device.trustType -eq "AzureAD" -and device.isCompliant -eq True`, "ABDE", "CFU"},
		{`(device.trustType -eq "Workplace" -or device.trustType -eq "AzureAD") -and device.isCompliant -eq True`, "ABD", "CEFU"},
		{`device.displayName -endsWith "-014"`, "A", "EU"},
		{`device.displayName -contains "O'Hare"`, "E", "AU"},
		{`device.mdmAppId -in ["0000000a-0000-0000-c000-000000000000"]`, "ABD", "CEFU"},
		{`(systemLabels -eq "CloudPC" or systemLabels -eq "AzureVirtualDesktop") and trustType -eq "AzureAD"`, "BC", "ADU"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			rule := mustParse(t, tt.rule)
			for _, again := range []Rule{rule, mustParse(t, rule.String())} {
				for _, name := range strings.Split(tt.matches, "") {
					if !again.Match(devices[name]) {
						t.Errorf("%s does not match device %s", again, name)
					}
				}
				for _, name := range strings.Split(tt.misses, "") {
					if again.Match(devices[name]) {
						t.Errorf("%s matches device %s", again, name)
					}
				}
			}
		})
	}
}

// S26: the remaining rules of the source, as printed there, with a profile name of any script.
func TestRulesOfTheSource(t *testing.T) {
	profile := "Autopilot 自己展開プロファイル"
	for _, tt := range []struct {
		name, rule string
		device     device.Device
		want       bool
	}{
		{"a hosted machine group that is joined", `systemLabels -eq "MicrosoftPowerAutomate" and trustType -eq "AzureAD"`,
			device.Device{TrustType: device.Joined, SystemLabels: []string{"MicrosoftPowerAutomate"}}, true},
		{"a hosted machine group that is hybrid joined", `systemLabels -eq "MicrosoftPowerAutomate" and trustType -eq "AzureAD"`,
			device.Device{TrustType: device.HybridJoined, SystemLabels: []string{"MicrosoftPowerAutomate"}}, false},
		{"a Japanese profile name", `enrollmentProfileName -eq "` + profile + `"`, device.Device{EnrollmentProfileName: profile}, true},
		{"another Japanese profile name", `enrollmentProfileName -eq "` + profile + `"`, device.Device{EnrollmentProfileName: profile + "2"}, false},
		{"a Greek profile name in capitals", `enrollmentProfileName -eq "όνομα προφίλ"`, device.Device{EnrollmentProfileName: "ΌΝΟΜΑ ΠΡΟΦΊΛ"}, true},
		{"a method that implies the label that nobody set", `systemLabels -eq "CloudPC" and trustType -eq "AzureAD"`,
			device.Device{TrustType: device.Joined, Method: device.CloudPC}, true},
		{"a method that implies the profile type", `profileType -eq "SecureVM" and trustType -eq "AzureAD"`,
			device.Device{TrustType: device.Joined, Method: device.VMExtension}, true},
		{"a bulk-enrolled device, which the source cannot name", `systemLabels -contains "BulkEnrollment"`,
			device.Device{TrustType: device.Joined, Method: device.BulkEnrolment}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustParse(t, tt.rule).Match(FromDevice(tt.device)); got != tt.want {
				t.Errorf("Match = %t, want %t", got, tt.want)
			}
		})
	}
}

func TestWaysOfWriting(t *testing.T) {
	const full = `device.trustType -eq "AzureAD" -and device.systemLabels -contains "CloudPC"`
	for _, tt := range []struct{ name, rule, want string }{
		{"hyphens and prefixes may be left out", `trustType eq "AzureAD" and systemLabels contains "CloudPC"`, full},
		{"case does not matter", `DEVICE.TRUSTTYPE -EQ "AzureAD" -AND device.systemlabels -CONTAINS "CloudPC"`, full},
		{"typographic quotes and dashes", "device.trustType –eq “AzureAD” —and device.systemLabels ‑contains „CloudPC”", full},
		{"single quotes", `device.trustType -eq 'AzureAD' -and device.systemLabels -contains ‘CloudPC’`, full},
		{"line breaks and wide spaces", "device.trustType -eq \"AzureAD\"\n\t-and\u3000device.systemLabels\u00a0-contains \"CloudPC\"", full},
		{"a quoted truth value", `isCompliant -eq "true"`, `device.isCompliant -eq True`},
		{"a bare GUID", `deviceId -eq ` + idA, `device.deviceId -eq "` + idA + `"`},
		{"a bare number", `model -startsWith 42`, `device.model -startsWith "42"`},
		{"null", `model -ne NULL`, `device.model -ne null`},
		{"the string null is not null", `model -ne "null"`, `device.model -ne "null"`},
		{"a backtick escapes a quote", "displayName -eq \"12`\" tablet ``\"", "device.displayName -eq \"12`\" tablet ``\""},
		{"any other backtick is itself", "displayName -eq \"a`b\"", "device.displayName -eq \"a``b\""},
		{"a doubled single quote", `displayName -eq 'Ana''s "PC"'`, "device.displayName -eq \"Ana's `\"PC`\"\""},
		{"typographic quotes inside plain ones", `displayName -eq "the “one”"`, `device.displayName -eq "the “one”"`},
		{"dashes inside strings stay", `displayName -eq "a–b"`, `device.displayName -eq "a–b"`},
		{"superfluous parentheses go", `((model -eq "x") -or (model -eq "y" -and (model -eq "z")))`,
			`device.model -eq "x" -or device.model -eq "y" -and device.model -eq "z"`},
		{"needed parentheses stay", `-not (model -eq "x" or model -eq "y") and (model -eq "a" or model -eq "b")`,
			`-not (device.model -eq "x" -or device.model -eq "y") -and (device.model -eq "a" -or device.model -eq "b")`},
		{"not binds closer than and", `-not model -eq "x" and model -eq "y"`, `-not (device.model -eq "x") -and device.model -eq "y"`},
		{"not not", `not not model -eq "x"`, `-not -not (device.model -eq "x")`},
		{"an empty list", `model -in []`, `device.model -in []`},
		{"a list of either quote", `model -notIn ['a',"b"]`, `device.model -notIn ["a", "b"]`},
		{"the last extension attribute", `extensionAttribute15 -eq "x"`, `device.extensionAttribute15 -eq "x"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustParse(t, tt.rule).String(); got != tt.want {
				t.Errorf("Parse(%q).String() = %q, want %q", tt.rule, got, tt.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name, rule string
		column     int
		message    string // a part of it
		suggestion string
	}{
		{"the source's prose example has an odd number of quotes", `"enrollmentProfileName -eq "Autopilot 自己展開プロファイル"`, 1, "odd number", // S26
			`enrollmentProfileName -eq "Autopilot 自己展開プロファイル"`},
		{"a closing quote is missing", `trustType -eq "AzureAD`, 23, "odd number", `trustType -eq "AzureAD"`},
		{"an opening quote is missing", `trustType -eq AzureAD"`, 15, "odd number", `trustType -eq "AzureAD"`},
		{"a quote is missing between two clauses", `systemLabels -eq "CloudPC and trustType -eq "AzureAD"`, 26, "odd number",
			`systemLabels -eq "CloudPC" and trustType -eq "AzureAD"`},
		{"a quote too many", `trustType -eq "AzureAD""`, 24, "odd number", `trustType -eq "AzureAD"`},
		{"a column after other scripts counts characters", `displayName -eq "自己" and trusttyp -eq "x"`, 26, "trustType", `displayName -eq "自己" and device.trustType -eq "x"`},
		{"an operator that the property has not", `device.trustType -in ["AzureAD"]`, 18, "-in is not allowed for trustType, which has -eq, -ne", ""},
		{"a prefix of a label", `device.systemLabels -startsWith "M365"`, 21, "not allowed for systemLabels", ""},
		{"a group rule's operator", `device.operatingSystem -match "^Win"`, 24, "dynamic group rules", ""},
		{"a group rule's name", `device.deviceTrustType -eq "AzureAD"`, 1, "use device.trustType", `device.trustType -eq "AzureAD"`},
		{"several group rule names", `deviceTrustType -eq "AzureAD" and deviceOSType -eq "Windows"`, 1, "use device.trustType",
			`device.trustType -eq "AzureAD" and device.operatingSystem -eq "Windows"`},
		{"a group rule's name without counterpart", `device.accountEnabled -eq true`, 1, "dynamic group rules", ""},
		{"a property of users", `user.department -eq "x"`, 1, "property of users", ""},
		{"an unknown property", `colour -eq "red"`, 1, "The properties are deviceId", ""},
		{"an unknown operator", `model -sounds "x"`, 7, "-sounds", ""},
		{"an operator of other languages", `model == "x"`, 7, "use -eq", `model -eq "x"`},
		{"a mistyped operator", `model -startWith "x"`, 7, "did you mean -startsWith", `model -startsWith "x"`},
		{"a bare word", `trustType -eq AzureAD`, 15, "needs quotation marks", `trustType -eq "AzureAD"`},
		{"a bare word in a list", `model -in [a, b]`, 12, "needs quotation marks", `model -in ["a", "b"]`},
		{"a list for -eq", `model -eq ["a"]`, 11, "-in and -notIn only", ""},
		{"one value for -in", `model -in "a"`, 11, "needs a list", `model -in ["a"]`},
		{"null with another operator", `model -startsWith null`, 19, "-eq and -ne only", ""},
		{"a truth value that is none", `isCompliant -eq "maybe"`, 17, "True or False", ""},
		{"two comparisons side by side", `model -eq "x" model -eq "y"`, 15, "Expected -and, -or", ""},
		{"a parenthesis too many", `model -eq "x")`, 14, "no opening one", `model -eq "x"`},
		{"a parenthesis too few", `(model -eq "x"`, 1, "never closed", ""},
		{"a list without end", `model -in ["x"`, 11, "never closed", ""},
		{"a list with a comma at its end", `model -in ["x",]`, 15, "ends with a comma", `model -in ["x"]`},
		{"nothing", "  ", 3, "empty", ""},
		{"nothing after and", `model -eq "x" and`, 18, "ends where a property", ""},
		{"nothing after the operator", `model -eq`, 10, "ends where a value", ""},
		{"nothing after the property", `model`, 6, "Expected an operator", ""},
		{"bytes that are no text", "model -eq \"\xff\"", 12, "UTF-8", ""},
		{"too long", `model -eq "` + strings.Repeat("あ", MaxLength) + `"`, MaxLength + 1, "longer than 3072", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.rule)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("Parse(%q) = %v, want a syntax error", tt.rule, err)
			}
			if syntax.Line != 1 || syntax.Column != tt.column || !strings.Contains(syntax.Message, tt.message) || syntax.Suggestion != tt.suggestion {
				t.Errorf("Parse(%q):\n got %d:%d %s\n     %q\nwant 1:%d … %s …\n     %q", tt.rule,
					syntax.Line, syntax.Column, syntax.Message, syntax.Suggestion, tt.column, tt.message, tt.suggestion)
			}
		})
	}
}

func TestTheLongestRuleIsAccepted(t *testing.T) {
	rule := `model -eq "` + strings.Repeat("あ", MaxLength-len(`model -eq ""`)) + `"`
	r := mustParse(t, rule)
	if r.String() != rule {
		t.Error("a rule whose full form is too long does not print as it was written")
	}
}

func TestNulls(t *testing.T) {
	blank := &Device{}
	if err := blank.Set(Model, ""); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, rule string
		device     *Device
		want       bool
	}{
		{"an unregistered device has no model", `model -eq null`, nil, true},
		{"an empty model is not null", `model -eq null`, blank, false},
		{"an empty model is empty", `model -eq ""`, blank, true},
		{"null is not empty", `model -eq ""`, nil, false},
		{"null contains nothing, not even the empty string", `model -contains ""`, nil, false},
		{"null is in no list", `model -notIn []`, nil, true},
		{"no compliance state", `isCompliant -eq null`, &Device{}, true},
		{"not known to be compliant is not False", `isCompliant -eq False`, &Device{}, false},
		{"labels of an unregistered device are null", `systemLabels -eq null`, nil, true},
		{"a registered device has labels, if none", `systemLabels -ne null`, FromDevice(device.Device{}), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustParse(t, tt.rule).Match(tt.device); got != tt.want {
				t.Errorf("%s = %t, want %t", tt.rule, got, tt.want)
			}
		})
	}
}

func TestExtensionAttributesCountOnlyWhereTheyAreAvailable(t *testing.T) {
	rule := mustParse(t, `extensionAttribute3 -eq "x"`)
	for _, tt := range []struct {
		name   string
		device device.Device
		want   bool
	}{
		{"neither managed nor compliant nor hybrid joined", device.Device{TrustType: device.Registered}, false},
		{"managed", device.Device{IsManaged: yes()}, true},
		{"managed by Intune's application", device.Device{MDMAppID: intuneAppID}, true},
		{"managed by another application", device.Device{MDMAppID: idA}, false},
		{"said not to be managed", device.Device{MDMAppID: intuneAppID, IsManaged: no()}, false},
		{"compliant", device.Device{IsCompliant: yes()}, true},
		{"known not to be compliant", device.Device{IsCompliant: no()}, false},
		{"hybrid joined", device.Device{TrustType: device.HybridJoined}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.device.ExtensionAttributes[2] = "x"
			if got := rule.Match(FromDevice(tt.device)); got != tt.want {
				t.Errorf("Match = %t, want %t", got, tt.want)
			}
		})
	}
}

func TestAGuestsDeviceShowsWhatTheTenantBelieves(t *testing.T) { // S23
	d := device.Device{ID: idA, TrustType: device.HybridJoined, IsCompliant: yes()}
	for _, tt := range []struct {
		name  string
		trust directory.InboundTrust
		rule  string
		want  bool
	}{
		{"nothing without trust", directory.InboundTrust{CompliantDevice: true, HybridJoined: true}, `deviceId -eq null`, true},
		{"attributes", directory.InboundTrust{FilterAttributes: true}, `deviceId -ne null`, true},
		{"compliance is its own trust", directory.InboundTrust{FilterAttributes: true}, `isCompliant -eq null`, true},
		{"trusted compliance", directory.InboundTrust{FilterAttributes: true, CompliantDevice: true}, `isCompliant -eq True`, true},
		{"hybrid join is its own trust", directory.InboundTrust{FilterAttributes: true}, `trustType -eq null`, true},
		{"trusted hybrid join", directory.InboundTrust{FilterAttributes: true, HybridJoined: true}, `trustType -eq "ServerAD"`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mustParse(t, tt.rule).Match(FromGuest(d, tt.trust)); got != tt.want {
				t.Errorf("%s = %t, want %t", tt.rule, got, tt.want)
			}
		})
	}
}

func TestPropertiesAreNamedOnceInOrder(t *testing.T) {
	got := mustParse(t, `trustType -eq "x" and (deviceId -eq "y" or not trustType -eq "z") and extensionAttribute2 -eq "a"`).Properties()
	if len(got) != 3 || got[0] != DeviceID || got[1] != TrustType || got[2].String() != "extensionAttribute2" || !got[2].IsExtensionAttribute() {
		t.Errorf("Properties = %v", got)
	}
	if p, ok := PropertyNamed("device.EXTENSIONATTRIBUTE2"); !ok || p != got[2] {
		t.Errorf("PropertyNamed = %v, %t", p, ok)
	}
}

func TestSetTakesWhatThePropertyHolds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		property Property
		values   []string
		rule     string // true once the value is set; "" where it is refused
	}{
		{"one text", Model, []string{"x"}, `model -eq "x"`},
		{"two texts", Model, []string{"x", "y"}, ""},
		{"the elements of a list", SystemLabels, []string{"x", "y"}, `systemLabels -eq "y"`},
		{"no elements", PhysicalIDs, nil, `physicalIds -ne null`},
		{"a truth value", IsCompliant, []string{"False"}, `isCompliant -eq False`},
		{"no truth value", IsCompliant, []string{"perhaps"}, ""},
		{"an extension attribute", ExtensionAttribute1 + 14, []string{"x"}, `extensionAttribute15 -eq "x"`},
		{"no property", propertyCount, []string{"x"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var d Device
			err := d.Set(tt.property, tt.values...)
			if (err == nil) != (tt.rule != "") || err == nil && !mustParse(t, tt.rule).Match(&d) {
				t.Errorf("Set(%d, %q) = %v; %s does not match", tt.property, tt.values, err, tt.rule)
			}
		})
	}
}

func TestFoldingAgreesWithUnicode(t *testing.T) {
	words := []string{"", "k", "K", "\u212a", "s", "\u017f", "Straße", "STRASSE", "ΣΊΣΥΦΟΣ", "σίσυφος", "İ", "i", "ﬀ", "日本", "\xff", "\ufffd", "ǅ", "ǆ", "Ǆ"}
	for _, a := range words {
		for _, b := range words {
			if got, want := equalFold(a, foldLiteral(b)), strings.EqualFold(a, b); got != want {
				t.Errorf("equalFold(%q, %q) = %t, strings.EqualFold says %t", a, b, got, want)
			}
			if whole := a + b; !hasPrefixFold(whole, foldLiteral(a)) || !hasSuffixFold(whole, foldLiteral(b)) || !containsFold("x"+whole+"x", foldLiteral(whole)) {
				t.Errorf("%q does not hold its own parts", whole)
			}
		}
	}
}

// Rules made at random obey the laws of logic, on random devices and on unregistered ones.
func TestLaws(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a, b, d := randomRule(random, 2), randomRule(random, 2), randomDevice(random)
		match := func(src string) bool { return mustParse(t, src).Match(d) }
		if match("-not ("+a+")") == match(a) {
			t.Fatalf("negation: %s on %+v", a, d)
		}
		if match("-not (("+a+") -and ("+b+"))") != match("(-not ("+a+")) -or (-not ("+b+"))") {
			t.Fatalf("De Morgan: %s, %s on %+v", a, b, d)
		}
		if c := randomComparison(random); match(c[0]) == match(c[1]) {
			t.Fatalf("negative operator: %s and %s agree on %+v", c[0], c[1], d)
		}
		if r := mustParse(t, a); mustParse(t, r.String()).Match(d) != r.Match(d) || mustParse(t, r.String()).String() != r.String() {
			t.Fatalf("printing: %s prints as %s, which is another rule", a, r)
		}
	}
}

// randomComparison returns a comparison and its denial.
func randomComparison(random *rand.Rand) [2]string {
	p := properties[random.IntN(len(properties))]
	value := quote([]string{"", "a", "Ab", "k\u212a", "日本", "`\""}[random.IntN(6)])
	var op operator
	for op = operator(random.IntN(int(operatorCount))).positive(); !p.ops.has(op); op = (op + 2) % operatorCount {
	}
	switch {
	case p.kind == boolKind:
		value = []string{"True", "False", "null"}[random.IntN(3)]
	case op == opIn:
		value = "[" + value + `, "b"]`
	case op == opEq && random.IntN(4) == 0:
		value = "null"
	}
	clause := func(o operator) string { return "device." + p.name + " " + o.String() + " " + value }
	return [2]string{clause(op), clause(op + 1)}
}

func randomRule(random *rand.Rand, depth int) string {
	if depth == 0 || random.IntN(4) == 0 {
		return randomComparison(random)[random.IntN(2)]
	}
	switch a := randomRule(random, depth-1); random.IntN(4) {
	case 0:
		return "-not (" + a + ")"
	case 1:
		return "(" + a + ") -or " + randomRule(random, depth-1)
	case 2:
		return a + " -and " + randomRule(random, depth-1) + " -and " + randomRule(random, depth-1)
	default:
		return "(" + a + ") -and " + randomRule(random, depth-1)
	}
}

func randomDevice(random *rand.Rand) *Device {
	if random.IntN(8) == 0 {
		return nil
	}
	text := func() Value {
		return []Value{{}, Text(""), Text("A"), Text("aB"), Text("KK"), Text("日本"), Text("`\"")}[random.IntN(7)]
	}
	list := func() []string { return [][]string{nil, {}, {"a"}, {"AB", "日本"}}[random.IntN(4)] }
	d := &Device{compliant: []*bool{nil, yes(), no()}[random.IntN(3)], lists: [listCount][]string{list(), list()}}
	for p := range d.text {
		d.text[p] = text()
	}
	return d
}

// FuzzParse holds the rule language to its promises: a refused rule points at a place in its text and its suggestion
// parses, an accepted rule survives printing, and no rule can make a match fail.
func FuzzParse(f *testing.F) {
	f.Add(`device.isCompliant -eq True`)
	f.Add(`device.trustType -in ["AzureAD", "ServerAD"] -and device.model -notStartsWith "Cloud PC"`)
	f.Add(`"enrollmentProfileName -eq "Autopilot 自己展開プロファイル"`)
	f.Add("not (displayName ne “a`”b” or model in ['x','y''z']) and systemLabels –eq null")
	devices := []*Device{nil, randomDevice(rand.New(rand.NewPCG(3, 4))), fleet()["A"], fleet()["C"]}
	f.Fuzz(func(t *testing.T, src string) {
		rule, err := Parse(src)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Length < 0 || syntax.Offset+syntax.Length > max(len(src), syntax.Offset) ||
				syntax.Offset > len(src) || syntax.Line < 1 || syntax.Column < 1 {
				t.Fatalf("Parse(%q): %+v does not point into the rule", src, err)
			}
			if syntax.Suggestion != "" {
				mustParse(t, syntax.Suggestion)
			}
			return
		}
		again, err := Parse(rule.String())
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", src, rule, err)
		}
		for _, d := range devices {
			if again.Match(d) != rule.Match(d) {
				t.Fatalf("%q prints as %q, which is not the same rule", src, rule)
			}
		}
	})
}

func TestMatchAllocatesNothing(t *testing.T) {
	rule := mustParse(t, `systemLabels -eq "CloudPC" and trustType -eq "AzureAD" or displayName -contains "ラップトップ" or model -in ["x","y"] or not model -endsWith "z"`)
	for name, d := range fleet() {
		if n := testing.AllocsPerRun(100, func() { rule.Match(d) }); n != 0 {
			t.Errorf("Match on device %s allocates %v times", name, n)
		}
	}
}

// BenchmarkMatch measures a rule of two clauses, both of which are evaluated.
func BenchmarkMatch(b *testing.B) {
	cloudPC := fleet()["B"]
	for _, src := range []string{
		`systemLabels -eq "CloudPC" and trustType -eq "AzureAD"`,
		`isCompliant -eq True and trustType -ne "Workplace"`,
		`trustType -eq "AzureAD" and model -startsWith "Cloud PC"`,
	} {
		rule, err := Parse(src)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(src, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !rule.Match(cloudPC) {
					b.Fatal("does not match")
				}
			}
		})
	}
}

func mustParse(t testing.TB, src string) Rule {
	t.Helper()
	rule, err := Parse(src)
	if err != nil {
		t.Fatalf("Parse(%q): %v", src, err)
	}
	return rule
}
