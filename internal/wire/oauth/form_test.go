package oauth

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"boundgate/internal/aadsts"
)

// Forms are read as real clients send them: without a Content-Type, and without percent-encoding where it is due.
func TestReadForm(t *testing.T) {
	const redirect = "ms-appx-web://Microsoft.AAD.BrokerPlugin/d3590ed6"
	for _, tt := range []struct{ name, body, parameter, want string }{
		{"encoded", "scope=openid+profile&redirect_uri=ms-appx-web%3A%2F%2FMicrosoft.AAD.BrokerPlugin%2Fd3590ed6", "redirect_uri", redirect},
		{"raw", "scope=openid profile&redirect_uri=" + redirect, "redirect_uri", redirect},
		{"raw blanks", "scope=openid profile&x=1", "scope", "openid profile"},
		{"an equals sign in a value", "request=a.b.c==", "request", "a.b.c=="},
		{"a broken escape is taken as it stands", "password=100%", "password", "100%"},
		{"empty pairs", "&&a=1&", "a", "1"},
		{"a line break at the end", "grant_type=srv_challenge\r\n", "grant_type", "srv_challenge"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, contentType := range []string{"application/x-www-form-urlencoded", "", "text/plain", "application/json"} {
				r := httptest.NewRequest("POST", "/common/oauth2/token", strings.NewReader(tt.body))
				r.Header.Set("Content-Type", contentType)
				f, err := readForm(httptest.NewRecorder(), r)
				if err != nil || f[tt.parameter] != tt.want {
					t.Errorf("as %q: %q, %v, want %q", contentType, f[tt.parameter], err, tt.want)
				}
			}
		})
	}
}

// What is ambiguous or too large is refused, and the parameter is named. // P14
func TestBadForms(t *testing.T) {
	var many strings.Builder
	for n := range maxParameters + 1 {
		fmt.Fprintf(&many, "p%d=1&", n)
	}
	for name, tt := range map[string]struct{ body, says string }{
		"a parameter twice":         {"client_id=a&client_id=b", "client_id is there twice"},
		"twice under two spellings": {"client%5Fid=a&client_id=b", "client_id is there twice"},
		"too many":                  {many.String(), "more than 64 parameters"},
		"too large":                 {"a=" + strings.Repeat("x", maxBody), "larger than 65536 bytes"},
	} {
		_, err := readForm(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(tt.body)))
		var refusal *aadsts.Error
		if !errors.As(err, &refusal) || !strings.Contains(refusal.Message, tt.says) || refusal.OAuth != "invalid_request" {
			t.Errorf("%s: %v, want invalid_request that says %q", name, err, tt.says)
		}
	}
}

func FuzzParseForm(f *testing.F) {
	f.Add("grant_type=password&username=a%40b&password=c")
	f.Add("a=1&a=2")
	f.Add("%zz=%zz&=&&")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := parseForm(body)
		if err != nil {
			if aadsts.Of(err).Code == aadsts.ServerError.Code {
				t.Fatalf("%q is not refused but an error of the server: %v", body, err)
			}
			return
		}
		if len(form) > maxParameters {
			t.Fatalf("%d parameters", len(form))
		}
	})
}
