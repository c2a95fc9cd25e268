package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"boundgate/internal/directory"
)

// The subscriptions that a tenant may hold here, with the service plans that they carry. The SKU ids are those of the
// products of the same name.
var skus = map[string]directory.Licence{
	directory.SKUPartNumberP1: {SKUID: "078d2b04-f1bd-4111-bbd4-b4b1b354cef4", SKUPartNumber: directory.SKUPartNumberP1,
		ServicePlans: []string{directory.ServicePlanP1}},
	directory.SKUPartNumberP2: {SKUID: "84a661c4-e949-4bd2-a560-ed7766fcaf2b", SKUPartNumber: directory.SKUPartNumberP2,
		ServicePlans: []string{directory.ServicePlanP1, directory.ServicePlanP2}},
}

// PlanNames gives each known service plan its name.
var PlanNames = map[string]string{directory.ServicePlanP1: directory.SKUPartNumberP1, directory.ServicePlanP2: directory.SKUPartNumberP2}

var capabilities = []string{directory.CapabilityActive, "Warning", "Suspended", "Deleted", "LockedOut"}

// maxUnits bounds the number of prepaid units.
const maxUnits = 10_000_000

// Licences returns the subscriptions of the caller's tenant.
func (s *Service) Licences(ctx context.Context, c Caller) ([]directory.Licence, error) {
	if err := Authorize(c, ReadDirectory); err != nil {
		return nil, err
	}
	list, err := s.Store.Licences(ctx, c.Tenant)
	if err != nil {
		return nil, fmt.Errorf("list licences: %w", err)
	}
	return list, nil
}

// A LicenceChange states a subscription: by part number or by SKU id, with the members that are to change.
type LicenceChange struct {
	SKU              string // part number, such as AAD_PREMIUM, or SKU id
	CapabilityStatus *string
	Units            *int
}

// SetLicence adds a subscription to the caller's tenant or changes it.
func (s *Service) SetLicence(ctx context.Context, c Caller, ch LicenceChange) (directory.Licence, error) {
	defer s.oneAtATime()()
	none := directory.Licence{}
	if err := Authorize(c, ManageLicences); err != nil {
		return none, err
	}
	sku, ok := findSKU(ch.SKU)
	if !ok {
		return none, invalid("/skuPartNumber", fmt.Sprintf("The SKU %q is unknown.", ch.SKU), "Use AAD_PREMIUM or AAD_PREMIUM_P2.")
	}
	held, err := s.Store.Licences(ctx, c.Tenant)
	if err != nil {
		return none, fmt.Errorf("list licences: %w", err)
	}
	var before any
	sku.CapabilityStatus = directory.CapabilityActive
	for _, l := range held {
		if l.SKUID == sku.SKUID {
			before = l
			sku = l
		}
	}
	set(&sku.CapabilityStatus, ch.CapabilityStatus)
	set(&sku.Units, ch.Units)
	if err := checkLicence(sku); err != nil {
		return none, err
	}
	entry, err := s.entry(c, change{activity: "Set licence", category: "DirectoryManagement", targetType: "SubscribedSku",
		targetID: sku.SKUID, targetName: sku.SKUPartNumber, before: before, after: sku})
	if err != nil {
		return none, err
	}
	if err := s.Store.SetLicence(ctx, c.Tenant, sku, entry); err != nil {
		return none, fmt.Errorf("set licence: %w", err)
	}
	return sku, nil
}

func findSKU(key string) (directory.Licence, bool) {
	for _, l := range skus {
		if strings.EqualFold(l.SKUPartNumber, key) || strings.EqualFold(l.SKUID, key) {
			l.ServicePlans = slices.Clone(l.ServicePlans)
			return l, true
		}
	}
	return directory.Licence{}, false
}

func checkLicence(l directory.Licence) error {
	var p problems
	if !slices.Contains(capabilities, l.CapabilityStatus) {
		p.add("/capabilityStatus", fmt.Sprintf("The status %q is unknown.", l.CapabilityStatus), "Use one of "+strings.Join(capabilities, ", ")+".")
	}
	if l.Units < 0 || l.Units > maxUnits {
		p.add("/prepaidUnits/enabled", fmt.Sprintf("The number of units is not between 0 and %d.", maxUnits), "")
	}
	return p.err()
}
