package prt

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
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
	seconds, err := strconv.ParseFloat(digits, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return fmt.Errorf("%q is not a time", digits)
	}
	t.Time = time.Unix(int64(seconds), 0).UTC()
	return nil
}

// maxNesting bounds the depth of a JSON text.
const maxNesting = 8

// decodeObject decodes a JSON object strictly: a member that is there twice is refused at any depth, because two readers
// may believe different ones, and so is whatever follows the object.
func decodeObject(text []byte, into any) error {
	if err := checkMembers(text); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

func checkMembers(text []byte) error {
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
