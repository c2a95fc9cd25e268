package device

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"boundgate/internal/directory"
)

// An Identity is what a device certificate says of its holder, in the extensions that Microsoft's certificates carry.
type Identity struct {
	Tenant directory.TenantID
	Device string             // the device id: lower-case GUID
	User   directory.ObjectID // who joined; "" for a hybrid join, which nobody does in person
	// Authority is the invocation id of the directory server that issued; here, the id of the tenant's certificate authority.
	Authority uuid.UUID
	Domain    uuid.UUID // the domain id; here, that of the tenant
	Joined    bool      // the organisation's device, rather than a person's own
	Region    string    // of the tenant: AF, AS, AP, EU, ME, NA or SA; "" for unknown
}

// The extensions, all below 1.2.840.113556.1.5.284 and none of them critical.
var (
	oidBase      = asn1.ObjectIdentifier{1, 2, 840, 113556, 1, 5, 284}
	oidAuthority = oidUnder(1)
	oidDevice    = oidUnder(2)
	oidUser      = oidUnder(3)
	oidDomain    = oidUnder(4)
	oidTenant    = oidUnder(5)
	oidJoinType  = oidUnder(7)
	oidRegion    = oidUnder(8)
)

func oidUnder(n int) asn1.ObjectIdentifier { return append(slices.Clone(oidBase), n) }

// extensions returns the identity as certificate extensions.
func (i Identity) extensions() ([]pkix.Extension, error) {
	tenant, err := uuid.Parse(string(i.Tenant))
	if err != nil {
		return nil, fmt.Errorf("tenant id: %w", err)
	}
	id, err := uuid.Parse(i.Device)
	if err != nil {
		return nil, fmt.Errorf("device id: %w", err)
	}
	list := []pkix.Extension{
		{Id: oidAuthority, Value: octets(guidBytes(i.Authority))},
		{Id: oidDevice, Value: octets(guidBytes(id))},
	}
	if i.User != "" {
		user, err := uuid.Parse(string(i.User))
		if err != nil {
			return nil, fmt.Errorf("user id: %w", err)
		}
		list = append(list, pkix.Extension{Id: oidUser, Value: octets(guidBytes(user))})
	}
	joined := "0"
	if i.Joined {
		joined = "1"
	}
	list = append(list,
		pkix.Extension{Id: oidDomain, Value: octets(guidBytes(i.Domain))},
		pkix.Extension{Id: oidTenant, Value: octets(guidBytes(tenant))},
		pkix.Extension{Id: oidJoinType, Value: octets([]byte(joined))})
	if i.Region != "" {
		list = append(list, pkix.Extension{Id: oidRegion, Value: octets([]byte(i.Region))})
	}
	return list, nil
}

// identityOf reads the extensions of a certificate. It believes them: whether the tenant's authority has signed the
// certificate is for the caller to check.
func identityOf(c *x509.Certificate) (Identity, error) {
	r := extensionReader{c: c}
	i := Identity{
		Authority: r.guid(oidAuthority), Domain: r.guid(oidDomain),
		Device: r.guid(oidDevice).String(), Tenant: directory.TenantID(r.guid(oidTenant).String()),
		Joined: r.ascii(oidJoinType) == "1", Region: r.ascii(oidRegion),
	}
	if user := r.guid(oidUser); user != uuid.Nil {
		i.User = directory.ObjectID(user.String())
	}
	if r.err != nil {
		return Identity{}, r.err
	}
	if i.Device == uuid.Nil.String() || i.Tenant == directory.TenantID(uuid.Nil.String()) {
		return Identity{}, errors.New("the certificate names no device and tenant")
	}
	if len(c.Subject.Names) != 1 || c.Subject.CommonName != i.Device {
		return Identity{}, errors.New("the certificate's subject is not its device id")
	}
	return i, nil
}

// An extensionReader reads extensions and remembers the first that is malformed.
type extensionReader struct {
	c   *x509.Certificate
	err error
}

// guid returns the GUID in an extension; uuid.Nil where the extension is absent.
func (r *extensionReader) guid(oid asn1.ObjectIdentifier) uuid.UUID {
	b, ok := r.value(oid)
	if !ok {
		return uuid.Nil
	}
	id, err := guidFromBytes(b)
	r.note(oid, err)
	return id
}

func (r *extensionReader) ascii(oid asn1.ObjectIdentifier) string {
	b, _ := r.value(oid)
	if len(b) > 2 {
		r.note(oid, errors.New("too long"))
		return ""
	}
	return string(b)
}

func (r *extensionReader) value(oid asn1.ObjectIdentifier) ([]byte, bool) {
	for _, e := range r.c.Extensions {
		if e.Id.Equal(oid) {
			b, err := fromOctets(e.Value)
			r.note(oid, err)
			return b, err == nil
		}
	}
	return nil, false
}

func (r *extensionReader) note(oid asn1.ObjectIdentifier, err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("certificate extension %s: %w", oid, err)
	}
}

// octets wraps b, which is shorter than 128 bytes, as an OCTET STRING whose length takes two bytes. DER would use one;
// Microsoft's certificates have two, and readers skip three bytes without looking.
func octets(b []byte) []byte {
	return append([]byte{asn1.TagOctetString, 0x81, byte(len(b))}, b...)
}

// fromOctets unwraps an OCTET STRING with either form of length.
func fromOctets(b []byte) ([]byte, error) {
	if len(b) >= 3 && b[0] == asn1.TagOctetString && b[1] == 0x81 && int(b[2]) == len(b)-3 {
		return b[3:], nil
	}
	if len(b) >= 2 && b[0] == asn1.TagOctetString && b[1] < 0x80 && int(b[1]) == len(b)-2 {
		return b[2:], nil
	}
	return nil, errors.New("not an octet string")
}

// guidBytes returns id in Microsoft's byte order: the first three groups are little-endian (MS-DTYP 2.3.4.2).
func guidBytes(id uuid.UUID) []byte {
	b := id
	swapGUID(&b)
	return b[:]
}

func guidFromBytes(b []byte) (uuid.UUID, error) {
	id, err := uuid.FromBytes(b)
	if err != nil {
		return uuid.Nil, errors.New("not 16 bytes")
	}
	swapGUID(&id)
	return id, nil
}

// swapGUID turns one byte order into the other.
func swapGUID(id *uuid.UUID) {
	slices.Reverse(id[0:4])
	slices.Reverse(id[4:6])
	slices.Reverse(id[6:8])
}
