package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"boundgate/internal/broker"
	"boundgate/internal/directory"
)

// A World is the server under the story and how to reach it.
type World struct {
	URL  string       // public URL, without a trailing slash
	HTTP *http.Client // trusts the server's certificate
	Dir  string       // where the story's devices keep their state
}

// A person is someone with a password.
type person struct{ name, password string }

// Name returns the user principal name.
func (p person) Name() string { return p.name }

// Password returns the password that the set-up made.
func (p person) Password() string { return p.password }

// An administrator calls the management APIs in the name of a person.
type administrator struct {
	world World
	person
	tokens map[string]string // by audience
}

func (w World) administrator(p person) *administrator {
	return &administrator{world: w, person: p, tokens: map[string]string{}}
}

// token gets an access token for an API, with the password grant.
func (a *administrator) token(ctx context.Context, audience string) (string, error) {
	if t := a.tokens[audience]; t != "" {
		return t, nil
	}
	b, err := broker.Open(broker.Options{HTTP: a.world.HTTP})
	if err != nil {
		return "", err
	}
	reply, err := b.Unbound(ctx, a.world.URL, a.name, a.password, string(directory.CommandLine), audience)
	if err != nil {
		return "", fmt.Errorf("sign %s in: %w", a.name, err)
	}
	a.tokens[audience] = reply.AccessToken
	return reply.AccessToken, nil
}

// graph calls a Microsoft Graph route and decodes the answer into reply, unless that is nil.
func (a *administrator) graph(ctx context.Context, method, path string, body, reply any) error {
	return a.call(ctx, directory.ManagementAudienceGraph, method, a.world.URL+"/beta"+path, body, reply)
}

func (a *administrator) call(ctx context.Context, audience, method, address string, body, reply any) error {
	bearer, err := a.token(ctx, audience)
	if err != nil {
		return err
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	return send(a.world.HTTP, req, reply)
}

// An apiError is a refusal of a management API.
type apiError struct {
	status int
	code   string
	text   string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.code, e.text) }

func send(client *http.Client, req *http.Request, reply any) error {
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		var e struct {
			Error struct{ Code, Message string }
		}
		_ = json.Unmarshal(text, &e) // an answer that is not JSON is told by its status
		return &apiError{resp.StatusCode, e.Error.Code, e.Error.Message}
	}
	if reply == nil || len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, reply)
}

// query runs KQL in a workspace through the Log Analytics API.
func (a *administrator) query(ctx context.Context, workspace, kql string) (table, error) {
	var reply struct {
		Tables []struct {
			Columns []struct{ Name string }
			Rows    [][]any
		}
	}
	err := a.call(ctx, directory.ManagementAudienceLogs, http.MethodPost,
		a.world.URL+"/v1/workspaces/"+workspace+"/query", map[string]string{"query": kql}, &reply)
	if err != nil {
		return table{}, err
	}
	if len(reply.Tables) == 0 {
		return table{}, errors.New("the answer has no table")
	}
	var t table
	for _, c := range reply.Tables[0].Columns {
		t.Columns = append(t.Columns, c.Name)
	}
	for _, row := range reply.Tables[0].Rows {
		cells := make([]string, len(row))
		for n, cell := range row {
			cells[n] = cellText(cell)
		}
		t.Rows = append(t.Rows, cells)
	}
	return t, nil
}

func cellText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.4f", v), "0"), ".")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// eventually repeats try until it says that it is done; rows reach the column store within two seconds.
func eventually(ctx context.Context, try func() (bool, error)) error {
	deadline := time.Now().Add(15 * time.Second)
	for {
		done, err := try()
		if done || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("the sign-in log does not show it after 15 seconds")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
