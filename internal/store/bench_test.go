package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"boundgate/internal/audit"
	"boundgate/internal/directory"
	"boundgate/internal/journal"
	"boundgate/internal/prt"
	"boundgate/internal/session"
	"boundgate/internal/signinlog"
	"boundgate/internal/store"
)

// BenchmarkCommit commits what a token request leaves behind (a spent nonce, a checked user, a new refresh token and a row
// of 3 KB) from several writers at once. fsyncs/op is the time of a commit in units of the disk's own: the median of a bare
// write of 4 KB with its fsync, measured in the same run on the same disk.
func BenchmarkCommit(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			db := benchStore(b)
			fsync := bareFsync(b)
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range writers {
				all.Go(func() {
					for next.Add(1) <= int64(b.N) {
						if err := db.Commit(b.Context(), tokenRequest()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(fsync), "fsyncs/op")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

const benchTenant directory.TenantID = "c0000000-0000-4000-8000-000000000001"

func benchStore(b *testing.B) *store.DB {
	b.Helper()
	db := openOrFail(b, b.TempDir())
	entry := func(id string) audit.Entry { return audit.Entry{ID: id, Tenant: benchTenant} }
	domain := directory.Domain{Name: "contoso.example", Verified: true, Initial: true}
	if err := db.FoundTenant(b.Context(), directory.Founding{Tenant: directory.Tenant{ID: benchTenant, Domains: []directory.Domain{domain}}}, entry("1")); err != nil {
		b.Fatal(err)
	}
	if err := db.CreateUser(b.Context(), directory.User{ID: "u", Tenant: benchTenant, UPN: "u@contoso.example", Enabled: true}, entry("2")); err != nil {
		b.Fatal(err)
	}
	return db
}

func tokenRequest() journal.Record {
	now := time.Now()
	_, nonce, _ := prt.NewToken(prt.KindCode) // draws 32 random bytes, which never fails
	_, hash, _ := prt.NewToken(prt.KindRefreshToken)
	return journal.Record{
		Effects: journal.Effects{
			SpendNonces: []journal.SpentNonce{{ID: nonce, Expires: now.Add(prt.NonceLifetime)}},
			Subject:     &journal.Subject{Tenant: benchTenant, User: "u", AuthTime: now},
			NewRefreshTokens: []session.RefreshToken{{Hash: hash, Family: "f", Tenant: benchTenant, User: "u", Home: benchTenant, HomeUser: "u",
				Session: "s", Device: "d", Registration: "r", IssuedAt: now, ExpiresAt: now.Add(session.RefreshTokenLifetime)}},
		},
		Rows: []*signinlog.Row{{ID: "0", Type: signinlog.InteractiveTable, ResultType: "0", ConditionalAccessPolicies: strings.Repeat("x", 2900)}},
	}
}

// bareFsync is the median time of a write of 4 KB with its fsync.
func bareFsync(b *testing.B) time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "bare"))
	if err != nil {
		b.Fatal(err)
	}
	block := make([]byte, 4096)
	times := make([]time.Duration, 200)
	for n := range times {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		times[n] = time.Since(start)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// BenchmarkRead reads what a sign-in reads of the directory.
func BenchmarkRead(b *testing.B) {
	db, ctx := benchStore(b), context.WithoutCancel(b.Context()) // as sign-ins read
	for _, read := range []struct {
		name string
		once func() error
	}{
		{"TenantByName", func() error { _, err := db.TenantByName(ctx, "contoso.example"); return err }},
		{"UserByName", func() error { _, err := db.UserByName(ctx, benchTenant, "u@contoso.example"); return err }},
		{"Memberships", func() error { _, _, err := db.Memberships(ctx, benchTenant, "u"); return err }},
		{"PolicyVersion", func() error { _, err := db.PolicyVersion(ctx, benchTenant); return err }},
	} {
		b.Run(read.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read.once(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
