package prt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Claims are what a signed request says. Unknown members are ignored; known ones must have the right type.
// A Claims prints as "claims:redacted": it has a nonce and tokens.
type Claims struct {
	redacted[claimsLabel]
	GrantType            string    `json:"grant_type"`
	ClientID             string    `json:"client_id"`
	Scope                string    `json:"scope"`
	Resource             string    `json:"resource"`
	RedirectURI          string    `json:"redirect_uri"`
	RequestNonce         string    `json:"request_nonce"`
	Nonce                string    `json:"nonce"` // of an answer to PKeyAuth
	RefreshToken         Secret    `json:"refresh_token"`
	PreviousRefreshToken Secret    `json:"previous_refresh_token"`
	Username             string    `json:"username"`
	Password             Secret    `json:"password"`
	Assertion            Secret    `json:"assertion"`
	Issuer               string    `json:"iss"`
	Audience             string    `json:"aud"`
	WinVer               string    `json:"win_ver"`
	IsPrimary            string    `json:"is_primary"`
	WindowsAPIVersion    string    `json:"windows_api_version"`
	IssuedAt             ClaimTime `json:"iat"`
	ExpiresAt            ClaimTime `json:"exp"`
}

type claimsLabel struct{}

func (claimsLabel) label() string { return "claims:redacted" }

// A ClaimTime is a time in seconds since 1970 that clients write as a number or as a string of digits; zero for none.
type ClaimTime struct{ time.Time }

// UnmarshalJSON reads both forms.
func (t *ClaimTime) UnmarshalJSON(text []byte) error {
	digits := string(bytes.Trim(text, `"`))
	if digits == "" || digits == "null" {
		return nil
	}
	whole, _, _ := strings.Cut(digits, ".") // RFC 7519 section 2 allows a fraction
	if seconds, err := strconv.ParseUint(whole, 10, 40); err == nil && strings.Trim(digits, "0123456789.") == "" {
		t.Time = time.Unix(int64(seconds), 0).UTC()
		return nil
	}
	return errors.New("not a time in seconds since 1970")
}

// maxNesting bounds the depth of a JSON text.
const maxNesting = 8

// decodeObject decodes a JSON object strictly: a member that is there twice is refused at any depth, because two readers
// may believe different ones, and so is whatever follows the object.
func decodeObject(text []byte, into any) error {
	if err := checkMembers(text); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return assign(members, into)
}

// assign sets the fields of the struct that into points to from the members of exactly their names. Package json would also
// take Refresh_Token for refresh_token, and of both the last.
func assign(members map[string]json.RawMessage, into any) error {
	fields := reflect.ValueOf(into).Elem()
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Tag.Get("json")
		raw, ok := members[name]
		if name == "" || !ok {
			continue
		}
		if err := json.Unmarshal(raw, fields.Field(i).Addr().Interface()); err != nil {
			return fmt.Errorf("%w: member %s has the wrong type", ErrMalformed, name) // err may quote the value
		}
	}
	return nil
}

func checkMembers(text []byte) error {
	if !utf8.Valid(text) { // package json would put U+FFFD in its place
		return errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	first, err := dec.Token()
	if err != nil {
		return err
	}
	if first != json.Delim('{') {
		return fmt.Errorf("not a JSON object")
	}
	if err := walkObject(dec, 1); err != nil {
		return err
	}
	if dec.More() {
		return fmt.Errorf("something follows the JSON object")
	}
	return nil
}

func walkObject(dec *json.Decoder, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("nested deeper than %d", maxNesting)
	}
	seen := map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		key, ok := name.(string)
		if !ok || seen[key] {
			return fmt.Errorf("a member is there twice")
		}
		seen[key] = true
		if err := walkValue(dec, depth); err != nil {
			return err
		}
	}
	_, err := dec.Token()
	return err
}

func walkValue(dec *json.Decoder, depth int) error {
	value, err := dec.Token()
	if err != nil {
		return err
	}
	switch value {
	case json.Delim('{'):
		return walkObject(dec, depth+1)
	case json.Delim('['):
		if depth+1 > maxNesting {
			return fmt.Errorf("nested deeper than %d", maxNesting)
		}
		for dec.More() {
			if err := walkValue(dec, depth+1); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	}
	return err
}
