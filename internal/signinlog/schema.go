package signinlog

import (
	"reflect"
	"strings"
	"time"

	"boundgate/internal/kql/schema"
)

// A Column is a column of the tables as queries see it, and how it comes out of a Row.
type Column struct {
	Name string // in the interactive table; see NameIn
	Type schema.Type
	// Dynamic is true for the columns that are dynamic in SigninLogs and string in AADNonInteractiveUserSignInLogs.
	Dynamic bool
	field   int // of Row; -1 for columns that no row fills
	only    string
}

// In reports whether the column is in a table.
func (c Column) In(table string) bool {
	if table == ServicePrincipalTable {
		return ofServicePrincipals[c.Name]
	}
	return c.only == "" || c.only == table // _Facts is in none of them
}

// NameIn returns the column's name in a table: one of them differs.
func (c Column) NameIn(table string) string {
	if c.Name == "ProcessingTimeInMilliseconds" && table == NonInteractiveTable {
		return "ProcessingTimeInMs"
	}
	return c.Name
}

// Value returns the column's value in a row: a string, bool, int64 or time.Time; nil where no row fills it.
func (c Column) Value(r *Row) any {
	if c.field < 0 {
		return nil
	}
	return reflect.ValueOf(r).Elem().Field(c.field).Interface()
}

// Set puts a value that Value has returned into a row.
func (c Column) Set(r *Row, v any) {
	if c.field >= 0 && v != nil {
		reflect.ValueOf(r).Elem().Field(c.field).Set(reflect.ValueOf(v))
	}
}

// dynamicColumns are JSON values in SigninLogs and JSON text in the other table.
var dynamicColumns = map[string]bool{
	"Status": true, "ConditionalAccessPolicies": true, "TokenProtectionStatusDetails": true, "DeviceDetail": true,
	"LocationDetails": true, "MfaDetail": true, "Agent": true,
}

// onlyIn names the columns that one of the tables has alone.
var onlyIn = map[string]string{
	"AppliedConditionalAccessPolicies": InteractiveTable, "AuthenticationAppDeviceDetails": InteractiveTable,
	"AuthenticationAppPolicyEvaluationDetails": InteractiveTable, "Resource": InteractiveTable, "ResourceId": InteractiveTable,
	"ResourceProvider": InteractiveTable, "FlaggedForReview": InteractiveTable, "IPAddressFromResourceProvider": InteractiveTable,
	"SignInIdentifier": InteractiveTable, "ServicePrincipalName": InteractiveTable, "SourceAppClientId": InteractiveTable,
	"_Facts": "none", "RiskLevel": InteractiveTable, "ClientSessionId": NonInteractiveTable, "SignInEventTypes": NonInteractiveTable,
}

// ofServicePrincipals are the columns of AADServicePrincipalSignInLogs: nothing in them is about a person.
var ofServicePrincipals = setOf("TimeGenerated CreatedDateTime TenantId AADTenantId Type SourceSystem Category OperationName OperationVersion Level " +
	"Id CorrelationId OriginalRequestId ResultType ResultDescription ResultSignature DurationMs Status ConditionalAccessPolicies " +
	"ConditionalAccessStatus AuthenticationProcessingDetails AuthenticationContextClassReferences NetworkLocationDetails LocationDetails " +
	"Location IPAddress UserAgent AppId AppDisplayName AppOwnerTenantId ResourceDisplayName ResourceIdentity ResourceServicePrincipalId " +
	"ResourceTenantId ResourceOwnerTenantId ResourceGroup ServicePrincipalId ServicePrincipalName ServicePrincipalCredentialKeyId " +
	"ServicePrincipalCredentialThumbprint FederatedCredentialId ClientCredentialType UniqueTokenIdentifier SessionId Identity Agent " +
	"_BilledSize _IsBillable")

func setOf(names string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// Columns are the columns of both tables, in the order of Row, with what Log Analytics adds.
var Columns = columns()

func columns() []Column {
	var list []Column
	t := reflect.TypeOf(Row{})
	for n := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(n).Tag.Get("json"), ",")
		c := Column{Name: name, Type: typeOf(t.Field(n).Type), Dynamic: dynamicColumns[name], field: n, only: onlyIn[name]}
		if name == "AppliedEventListeners" {
			c.Type = schema.Dynamic // in both tables
		}
		list = append(list, c)
	}
	return append(list,
		Column{Name: "_BilledSize", Type: schema.Real, field: -1}, Column{Name: "_IsBillable", Type: schema.String, field: -1})
}

func typeOf(t reflect.Type) schema.Type {
	switch t {
	case reflect.TypeOf(time.Time{}):
		return schema.DateTime
	case reflect.TypeOf(false):
		return schema.Bool
	case reflect.TypeOf(int64(0)):
		return schema.Long
	}
	return schema.String
}

// A Twin is a hidden column that holds one member of a JSON column, so that common queries need not parse the JSON.
type Twin struct {
	Column string // of JSON
	Member string // path, such as geoCoordinates.latitude
	Name   string // of the hidden column
	List   bool   // one value per element of a JSON array
}

// PoliciesShredded is the hidden column that is true where the list twins describe ConditionalAccessPolicies completely.
const PoliciesShredded = "cap_ok"

// Twins are the hidden columns, those of one JSON column side by side. Each holds the member's bare text where it is a scalar and its compact JSON where it is
// not, and NULL where it is missing.
var Twins = twins()

// twinsOf are the twins by their column.
var twinsOf = byColumn(Twins)

func byColumn(twins []Twin) map[string][]Twin {
	m := map[string][]Twin{}
	for _, t := range twins {
		m[t.Column] = append(m[t.Column], t)
	}
	return m
}

func twins() []Twin {
	var list []Twin
	add := func(column, prefix string, isList bool, members ...string) {
		for _, m := range members {
			name := prefix + strings.ToLower(strings.ReplaceAll(m, ".", "_"))
			list = append(list, Twin{Column: column, Member: m, Name: name, List: isList})
		}
	}
	add("ConditionalAccessPolicies", "cap_", true, "id", "displayName", "enforcedGrantControls", "enforcedSessionControls",
		"sessionControlsNotSatisfied", "result", "conditionsSatisfied", "conditionsNotSatisfied")
	add("Status", "st_", false, "errorCode", "failureReason", "additionalDetails")
	add("DeviceDetail", "dd_", false, "deviceId", "displayName", "operatingSystem", "browser", "isCompliant", "isManaged", "trustType")
	add("LocationDetails", "ld_", false, "city", "state", "countryOrRegion", "geoCoordinates.latitude", "geoCoordinates.longitude")
	add("TokenProtectionStatusDetails", "tp_", false, "signInSessionStatus", "signInSessionStatusCode")
	return list
}

// Schema describes the tables to the query compiler; physical names each table in the log store.
func Schema(physical func(table string) string) schema.Schema {
	var s schema.Schema
	for _, table := range Tables {
		t := schema.Table{Name: table, Physical: physical(table), TimeColumn: "TimeGenerated"}
		for _, c := range Columns {
			if c.In(table) {
				t.Columns = append(t.Columns, c.described(table))
			}
		}
		s.Tables = append(s.Tables, t)
	}
	return s
}

func (c Column) described(table string) schema.Column {
	d := schema.Column{Name: c.NameIn(table), Type: c.Type}
	if c.Dynamic && table == InteractiveTable {
		d.Type = schema.Dynamic
	}
	for _, twin := range Twins {
		switch {
		case twin.Column != c.Name:
		case twin.List:
			if d.Lists == nil {
				d.Lists, d.Shredded = map[string]string{}, PoliciesShredded
			}
			d.Lists[twin.Member] = twin.Name
		default:
			if d.Members == nil {
				d.Members = map[string]schema.Member{}
			}
			d.Members[twin.Member] = schema.Member{Column: twin.Name, Type: schema.String}
		}
	}
	return d
}
