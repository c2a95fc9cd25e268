package graph_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A batch is several requests of one caller: each has its own answer, and the rights are those of the caller.
func TestBatch(t *testing.T) { // S40
	s := newServer(t)
	a := s.call(t, "contoso/Security Reader", "POST", "/v1.0/$batch", `{"requests":[
		{"id":"1","method":"GET","url":"/groups?$filter=displayName%20eq%20'Pilot'&$select=displayName"},
		{"id":"2","method":"POST","url":"/groups","headers":{"Content-Type":"application/json","Authorization":"Bearer `+global+`"},"body":{"displayName":"New","mailEnabled":false,"mailNickname":"x","securityEnabled":true}},
		{"id":"3","method":"GET","url":"/groups/`+id("nobody")+`","dependsOn":["1"]},
		{"id":"4","method":"GET","url":"/groups","dependsOn":["2"]},
		{"id":"5","method":"GET","url":"/users/$count"}]}`)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.text)
	}
	for i, want := range []float64{200, 403, 404, 424, 200} {
		if got := a.at("responses", i, "status"); got != want || a.at("responses", i, "id") != fmt.Sprint(i+1) {
			t.Errorf("request %d: %v, want %v", i+1, got, want)
		}
	}
	if a.at("responses", 0, "body", "value", 0, "displayName") != "Pilot" || a.at("responses", 2, "body", "error", "code") != "Request_ResourceNotFound" ||
		a.at("responses", 0, "headers", "Request-Id") == nil || a.at("responses", 4, "body") == nil {
		t.Errorf("answers: %s", a.text)
	}
	a = s.call(t, global, "POST", "/beta/$batch", `{"requests":[{"id":"a","method":"POST","url":"/groups","headers":{"Content-Type":"application/json"},
		"body":{"displayName":"New","mailEnabled":false,"mailNickname":"x","securityEnabled":true}},{"id":"b","method":"DELETE","url":"/groups/`+id("Pilot")+`"}]}`)
	if a.at("responses", 0, "status") != 201.0 || a.at("responses", 1, "status") != 204.0 {
		t.Errorf("by somebody who may: %s", a.text)
	}
}

func TestBatchesThatCannotBe(t *testing.T) {
	s := newServer(t)
	one := func(id, rest string) string { return `{"id":"` + id + `","method":"GET","url":"/me"` + rest + `}` }
	var many []string
	for n := range 21 {
		many = append(many, one(fmt.Sprint(n), ""))
	}
	for why, body := range map[string]string{
		"nothing": `{"requests":[]}`, "too many": `{"requests":[` + strings.Join(many, ",") + `]}`, "an id twice": `{"requests":[` + one("1", "") + `,` + one("1", "") + `]}`,
		"no id": `{"requests":[` + one("", "") + `]}`, "a later one": `{"requests":[` + one("1", `,"dependsOn":["2"]`) + `,` + one("2", "") + `]}`,
		"a batch within": `{"requests":[{"id":"1","method":"POST","url":"/$batch","body":{}}]}`, "another host": `{"requests":[{"id":"1","method":"GET","url":"https://evil.example/me"}]}`,
		"a host": `{"requests":[{"id":"1","method":"GET","url":"//evil.example/me"}]}`, "another method": `{"requests":[{"id":"1","method":"TRACE","url":"/me"}]}`,
		"no JSON": `{`, "an array": `[]`,
	} {
		if a := s.call(t, global, "POST", "/v1.0/$batch", body); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", why, a.status, a.text)
		}
	}
	if a := s.call(t, "", "POST", "/v1.0/$batch", `{"requests":[`+one("1", "")+`]}`); a.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", a.status)
	}
}
