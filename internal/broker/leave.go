package broker

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"boundgate/internal/tpm"
)

// Leave ends the registration: the device shows its certificate over TLS, the server forgets it, and the keys go. connect
// returns a client that shows the certificate.
func (b *Broker) Leave(ctx context.Context, connect func(certificate []byte, key tpm.Key) (*http.Client, error)) error {
	return b.dir.change(ctx, func(s *state) error {
		if !s.registered() {
			return ErrNotRegistered
		}
		key, err := b.key(deviceKey)
		if err != nil {
			return err
		}
		client, err := connect(s.Certificate, key)
		if err != nil {
			return err
		}
		if _, err := newWireClient(client).send(ctx, http.MethodDelete, s.Registration+s.DeviceID, "", nil, nil); err != nil {
			return fmt.Errorf("end the registration: %w", err)
		}
		return b.forgetDevice()
	})
}

// Forget ends the registration on this device alone, for a server that has forgotten the device already or is gone. A
// server that has not keeps the device until an administrator deletes it.
func (b *Broker) Forget(ctx context.Context) error {
	return b.dir.change(ctx, func(s *state) error {
		if !s.registered() {
			return ErrNotRegistered
		}
		return b.forgetDevice()
	})
}

// forgetDevice forgets the registration first and then deletes the keys: a crash in between leaves keys that the next
// registration deletes.
func (b *Broker) forgetDevice() error {
	if err := b.dir.save(&state{}); err != nil {
		return err
	}
	err := b.keys.Delete(syncedKey)
	if errors.Is(err, tpm.ErrNotFound) {
		err = nil
	}
	return errors.Join(err, b.dropKeys())
}
