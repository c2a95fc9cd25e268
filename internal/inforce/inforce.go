// Package inforce keeps the tenants' Conditional Access policies compiled. They are compiled once per change; every request
// asks whether there has been one, so a change is in force for the next request.
package inforce

import (
	"context"
	"fmt"
	"sync"

	"boundgate/internal/directory"
	"boundgate/internal/policy"
)

// Store is what the cache asks of the state store.
type Store interface {
	// PolicyVersion returns a number that changes with every change of the tenant's policies and named locations.
	PolicyVersion(ctx context.Context, tenant directory.TenantID) (uint64, error)
	// Policies returns the tenant's policies.
	Policies(ctx context.Context, tenant directory.TenantID) ([]policy.Policy, error)
	// Locations returns the tenant's named locations, which policies name.
	Locations(ctx context.Context, tenant directory.TenantID) ([]policy.NamedLocation, error)
}

// A Cache holds compiled policies. Use New.
type Cache struct {
	store Store
	mu    sync.RWMutex
	sets  map[directory.TenantID]entry
}

type entry struct {
	version uint64
	set     *policy.Set
}

// New returns an empty cache over store.
func New(store Store) *Cache {
	return &Cache{store: store, sets: map[directory.TenantID]entry{}}
}

// PoliciesInForce returns the tenant's policies as they are now. Where that cannot be found out there is no answer: an old
// one could allow what is forbidden (P19).
func (c *Cache) PoliciesInForce(ctx context.Context, tenant directory.TenantID) (*policy.Set, error) {
	version, err := c.store.PolicyVersion(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("version of the policies: %w", err)
	}
	c.mu.RLock()
	known, ok := c.sets[tenant]
	c.mu.RUnlock()
	if ok && known.version == version {
		return known.set, nil
	}
	return c.compile(ctx, tenant, version)
}

// compile compiles the policies of a version that was read before them: where they have changed in between, the next
// request sees another version and compiles again.
func (c *Cache) compile(ctx context.Context, tenant directory.TenantID, version uint64) (*policy.Set, error) {
	policies, err := c.store.Policies(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("read the policies: %w", err)
	}
	locations, err := c.store.Locations(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("read the named locations: %w", err)
	}
	set, err := policy.NewSet(policies, locations)
	if err != nil {
		return nil, fmt.Errorf("compile the policies: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sets[tenant] = entry{version, set}
	return set, nil
}
