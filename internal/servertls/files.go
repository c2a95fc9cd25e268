package servertls

import (
	"crypto/tls"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"boundgate/internal/config"
)

// lookAgain is how often the files are looked at for a change, at most.
const lookAgain = 2 * time.Second

// files is the operator's certificate. It is read again when a file changes; a new pair that does not fit together,
// as in the middle of a renewal, leaves the old one in use.
type files struct {
	cfg  config.TLS
	opts Options

	mu      sync.Mutex
	current *tls.Certificate
	seen    stamp
	looked  time.Time
}

// A stamp tells whether the files changed.
type stamp struct {
	certificate, key         time.Time
	certificateSize, keySize int64
}

// openFiles loads the pair and notes, without refusing, what clients would stumble over.
func openFiles(cfg config.TLS, hosts []string, opts Options) (*files, error) {
	f := &files{cfg: cfg, opts: opts, looked: opts.Now()}
	var err error
	if f.seen, err = f.stamp(); err != nil {
		return nil, err
	}
	if f.current, err = f.load(); err != nil {
		return nil, err
	}
	for _, host := range hosts {
		if err := f.current.Leaf.VerifyHostname(host); err != nil {
			opts.Log.Warn("the certificate is not valid for a host name that clients use", "host_name", host, "file", cfg.CertificateFile, "error", err)
		}
	}
	if opts.Now().After(f.current.Leaf.NotAfter) {
		opts.Log.Warn("the certificate has expired", "file", cfg.CertificateFile, "not_after", f.current.Leaf.NotAfter)
	}
	return f, nil
}

// certificate answers a handshake with the pair as it is on disk now, or as it last was when it could be read.
func (f *files) certificate() (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.opts.Now(); now.Sub(f.looked) >= lookAgain {
		f.looked = now
		f.reload()
	}
	return f.current, nil
}

// reload takes a changed pair into use. A pair that does not fit together is reported once, missing files each time.
func (f *files) reload() {
	seen, err := f.stamp()
	if err == nil && seen == f.seen {
		return
	}
	if err == nil {
		f.seen = seen
		var fresh *tls.Certificate
		if fresh, err = f.load(); err == nil {
			f.current = fresh
			f.opts.Log.Info("the certificate was read again", "file", f.cfg.CertificateFile, "not_after", fresh.Leaf.NotAfter)
			return
		}
	}
	f.opts.Log.Error("the changed certificate cannot be used; the old one stays in use", "file", f.cfg.CertificateFile, "error", err)
}

func (f *files) stamp() (stamp, error) {
	certificate, err := os.Stat(f.cfg.CertificateFile)
	if err != nil {
		return stamp{}, unreadable("[tls] certificate_file", err)
	}
	key, err := os.Stat(f.cfg.KeyFile)
	if err != nil {
		return stamp{}, unreadable("[tls] key_file", err)
	}
	if runtime.GOOS != "windows" && key.Mode().Perm()&0o007 != 0 {
		return stamp{}, &config.Problem{Where: "[tls] key_file", What: fmt.Sprintf("%s may be used by everyone (mode %04o)", f.cfg.KeyFile, key.Mode().Perm()),
			Remedy: "Run chmod o= " + f.cfg.KeyFile + ", and replace the key if others may have read it."}
	}
	return stamp{certificate.ModTime(), key.ModTime(), certificate.Size(), key.Size()}, nil
}

func (f *files) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.cfg.CertificateFile, f.cfg.KeyFile)
	if err != nil {
		return nil, &config.Problem{Where: "[tls]", What: "certificate_file and key_file are not a certificate and its key", Cause: err,
			Remedy: "Name the PEM file of the certificate with its chain, leaf first, and the PEM file of the key that it was issued for."}
	}
	return &pair, nil
}

func unreadable(where string, cause error) error {
	return &config.Problem{Where: where, What: "cannot be read", Cause: cause, Remedy: "Set " + where + " to a file that the server may read."}
}
