package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxReply bounds what is read of an answer.
const maxReply = 256 << 10

// A Refusal is the server's answer that it will not, in the server's words.
type Refusal struct {
	Status        int    `json:"-"`
	OAuth         string `json:"error"`
	Description   string `json:"error_description"`
	Codes         []int  `json:"error_codes"`
	SubError      string `json:"suberror"`
	TraceID       string `json:"trace_id"`
	CorrelationID string `json:"correlation_id"`
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Description != "" {
		return r.Description
	}
	return fmt.Sprintf("the server answered %d %s", r.Status, r.OAuth)
}

// Code returns the AADSTS code; 0 where the server gave none.
func (r *Refusal) Code() int {
	if len(r.Codes) == 0 {
		return 0
	}
	return r.Codes[0]
}

type wireClient struct{ http *http.Client }

// form posts a form and decodes the answer into reply.
func (c wireClient) form(ctx context.Context, address string, fields, headers map[string]string, reply any) error {
	body, err := c.formBody(ctx, address, fields, headers)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, reply); err != nil {
		return fmt.Errorf("decode the server's answer: %w", err)
	}
	return nil
}

// formBody posts a form and returns the answer as it came: JSON, or a JWE.
func (c wireClient) formBody(ctx context.Context, address string, fields, headers map[string]string) ([]byte, error) {
	values := url.Values{}
	for name, value := range fields {
		if value != "" {
			values.Set(name, value)
		}
	}
	return c.send(ctx, http.MethodPost, address, "application/x-www-form-urlencoded", []byte(values.Encode()), headers)
}

func (c wireClient) send(ctx context.Context, method, address, contentType string, body []byte, headers map[string]string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("address of the server: %w", err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("User-Agent", "Boundgate-Broker/1.0")
	for name, value := range headers {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach the server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below, or refused
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, refusalOf(resp.StatusCode, text)
	}
	return text, nil
}

func refusalOf(status int, text []byte) *Refusal {
	r := &Refusal{Status: status}
	if json.Unmarshal(text, r) == nil && r.OAuth != "" {
		return r
	}
	// Device registration has an error shape of its own.
	var drs struct {
		Code    string `json:"code"`
		Subcode string `json:"subcode"`
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &drs) == nil && drs.Message != "" {
		r.OAuth, r.Description = strings.TrimSpace(drs.Code+" "+drs.Subcode), drs.Message
	}
	return r
}
