package broker_test

import (
	"crypto/rsa"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"boundgate/internal/broker"
	"boundgate/internal/broker/brokertest"
	"boundgate/internal/tpm"
)

func publicEqual(a, b tpm.Key) bool {
	x, ok := a.Public().(*rsa.PublicKey)
	return ok && x.Equal(b.Public())
}

// stall holds the first request until leave is closed.
func stall(entered, leave chan struct{}) func(http.Handler) http.Handler {
	first := true
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if first {
				first = false
				close(entered)
				<-leave
			}
			next.ServeHTTP(w, r)
		})
	}
}

// answer answers requests for a token with a fixed answer; requests for a nonce go through.
func answer(write func(w http.ResponseWriter)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/common/") {
				next.ServeHTTP(w, r)
				return
			}
			write(w)
		})
	}
}

func TestBadAnswers(t *testing.T) {
	server := brokertest.New(t)
	l := newLaptop(t, server)
	l.register(t, false)
	var asked bool
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer elsewhere.Close()

	for _, tt := range []struct {
		name    string
		through func(http.Handler) http.Handler
		want    error
		says    string
	}{
		{"a redirect is not followed", answer(func(w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL+"/token?secret=1")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}), broker.ErrRedirected, "to " + elsewhere.URL},
		{"an endless answer is cut off", answer(func(w http.ResponseWriter) {
			_, _ = io.Copy(w, io.LimitReader(zeros{}, 1<<20))
		}), broker.ErrBadAnswer, "larger than"},
		{"an answer in clear is refused", answer(func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"access_token":"from nobody"}`)
		}), broker.ErrBadAnswer, "not encrypted with the session key"},
		{"no nonce", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{}`) })
		}, broker.ErrBadAnswer, "no nonce"},
		{"a page of a proxy", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>`) })
		}, broker.ErrBadAnswer, "ask for a nonce"},
		{"a broken connection", func(http.Handler) http.Handler {
			return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		}, broker.ErrUnreachable, "no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server.Through(tt.through)
			defer server.Through(nil)
			_, err := l.exchange(t.Context(), "")
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Token() = %v, want %v that says %q", err, tt.want, tt.says)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("Token() = %v, which shows what a redirect carried", err)
			}
		})
	}
	if asked {
		t.Error("the redirect was followed")
	}
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Errorf("Token() afterwards: %v", err)
	}
}

// zeros is an endless text.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestRefusals(t *testing.T) {
	server := brokertest.New(t)
	l := newLaptop(t, server)
	l.register(t, false)
	for _, tt := range []struct {
		name      string
		through   func(http.Handler) http.Handler
		code      int
		message   string
		remedy    string
		temporary bool
		after     time.Duration
	}{
		{"busy", answer(func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "10")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"error":"temporarily_unavailable","error_codes":[50196],"error_description":"AADSTS50196: Too many requests of this kind. Wait and try again. Trace ID: t Correlation ID: c Timestamp: x"}`)
		}), 50196, "AADSTS50196: Too many requests of this kind.", "Wait and try again.", true, 10 * time.Second},
		{"a proxy's page", answer(func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, `<html>`)
		}), 0, "the server answered 502 Bad Gateway", "", true, 0},
		{"words for a terminal", answer(func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"error":"x","error_description":"\u001b[31mred"}`)
		}), 0, " [31mred", "", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server.Through(tt.through)
			defer server.Through(nil)
			_, err := l.exchange(t.Context(), "")
			var r *broker.Refusal
			if !errors.As(err, &r) {
				t.Fatalf("Token() = %v, want a refusal", err)
			}
			if r.Code() != tt.code || r.Message() != tt.message || r.Remedy() != tt.remedy || r.Temporary() != tt.temporary || r.RetryAfter != tt.after {
				t.Errorf("refusal = %d %q, remedy %q, temporary %v after %v", r.Code(), r.Message(), r.Remedy(), r.Temporary(), r.RetryAfter)
			}
		})
	}
	_, err := l.Unbound(t.Context(), server.URL, brokertest.Alice, "wrong", office, brokertest.Exchange)
	var r *broker.Refusal
	if !errors.As(err, &r) || r.Code() != 50126 || r.TraceID == "" || !strings.HasPrefix(r.Remedy(), "Check the user name") {
		t.Errorf("Unbound() with a wrong password = %v, remedy %q", err, r.Remedy())
	}
}

func TestRenewalWhenDue(t *testing.T) {
	server := brokertest.New(t)
	l := newLaptop(t, server)
	l.register(t, false)
	issued := func() time.Time { return l.status(t).Accounts[0].IssuedAt }
	token := func() {
		t.Helper()
		if _, err := l.exchange(t.Context(), ""); err != nil {
			t.Fatalf("Token() at %v: %v", server.Now(), err)
		}
	}
	first := issued()
	server.Advance(4*time.Hour - time.Second)
	token()
	if got := issued(); !got.Equal(first) {
		t.Errorf("a session of less than four hours was renewed at %v", got)
	}
	server.Advance(time.Second)
	token()
	if got := issued(); !got.Equal(server.Now()) {
		t.Errorf("a session of four hours was not renewed: it is of %v", got)
	}
	for range 3 { // as long as it is used, a session lives on beyond its first fourteen days
		server.Advance(13 * 24 * time.Hour)
		token()
	}
	server.Advance(15 * 24 * time.Hour)
	_, err := l.exchange(t.Context(), "")
	wantCode(t, "Token() of a session that lay unused for fifteen days", err, 700082)
}

// A server that cannot renew just now is no reason not to use a session that is still good.
func TestRenewalThatFailsForNow(t *testing.T) {
	server := brokertest.New(t)
	l := newLaptop(t, server)
	l.register(t, false)
	server.Advance(5 * time.Hour)
	requests := 0
	server.Through(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if requests++; requests == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	if _, err := l.exchange(t.Context(), ""); err != nil {
		t.Errorf("Token() = %v, want the renewal's failure passed over", err)
	}
	if got := l.status(t).Accounts[0].IssuedAt; got.Equal(server.Now()) {
		t.Error("the session was renewed after all")
	}
}

func TestServerAddress(t *testing.T) {
	server := brokertest.New(t)
	l := newLaptop(t, server)
	for _, address := range []string{
		"", "login.example", "http://login.example", "https://", "https://alice:secret@login.example", "https://login.example/?x=1", "https://login.example/#x",
	} {
		err := l.Register(t.Context(), broker.Registration{Server: address, Username: brokertest.Alice, Password: brokertest.Password})
		if !errors.Is(err, broker.ErrServerURL) {
			t.Errorf("Register() at %q = %v, want ErrServerURL", address, err)
		}
		if _, err := l.Unbound(t.Context(), address, brokertest.Alice, brokertest.Password, office, brokertest.Exchange); !errors.Is(err, broker.ErrServerURL) {
			t.Errorf("Unbound() at %q = %v, want ErrServerURL", address, err)
		}
	}
}

// A certificate for another key would make a device that cannot prove itself: it is not kept, and neither are the keys.
func TestForeignCertificate(t *testing.T) {
	server := brokertest.New(t)
	var first []byte
	server.Through(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/enrollmentserver/device/" {
				next.ServeHTTP(w, r)
				return
			}
			if first == nil {
				recorded := httptest.NewRecorder()
				next.ServeHTTP(recorded, r)
				first = recorded.Body.Bytes()
			}
			_, _ = w.Write(first)
		})
	})
	a, b := newLaptop(t, server), newLaptop(t, server)
	a.register(t, false)
	err := b.Register(t.Context(), broker.Registration{
		Server: server.URL, Username: brokertest.Alice, Password: brokertest.Password, DeviceName: "laptop", OS: windows11,
	})
	if !errors.Is(err, broker.ErrBadAnswer) || b.status(t).Registered {
		t.Errorf("Register() = %v, registered %v, want the certificate refused", err, b.status(t).Registered)
	}
}

// Without a directory a broker can ask as an application does that knows no device, and nothing else.
func TestBrokerWithoutDirectory(t *testing.T) {
	server := brokertest.New(t)
	b, err := broker.Open(broker.Options{HTTP: server.Client()})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := b.Unbound(t.Context(), server.URL, brokertest.Alice, brokertest.Password, office, brokertest.Exchange)
	if err != nil {
		t.Fatalf("Unbound() = %v", err)
	}
	if _, err := b.RedeemUnbound(t.Context(), server.URL, "organizations", tokens.RefreshToken, office, brokertest.Exchange); err != nil {
		t.Errorf("RedeemUnbound() = %v", err)
	}
	if _, err := b.Token(t.Context(), broker.TokenRequest{}); !errors.Is(err, broker.ErrNoDirectory) {
		t.Errorf("Token() = %v, want ErrNoDirectory", err)
	}
	if s, err := b.Status(); err != nil || s.Registered {
		t.Errorf("Status() = %+v, %v", s, err)
	}
}
