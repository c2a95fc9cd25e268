// Package schema describes to the KQL compiler which tables exist and how they lie on disk.
//
// A user of KQL sees the names and types of Log Analytics. Beside a column that holds JSON, the log store keeps twins:
// columns that hold one member of that JSON each, filled when the row is written. Twins are never visible by name; the
// compiler reads them in place of the text where the answer is the same.
package schema

// A Type is a KQL scalar type, under KQL's own name.
type Type string

// The scalar types of KQL.
const (
	String   Type = "string"
	Long     Type = "long"
	Int      Type = "int"
	Real     Type = "real"
	Bool     Type = "bool"
	DateTime Type = "datetime"
	TimeSpan Type = "timespan"
	GUID     Type = "guid"
	Dynamic  Type = "dynamic"
)

// A Column is one column of a table as a query sees it.
//
// String columns are never NULL in the store: a missing string is "". Dynamic columns hold compact JSON text or NULL.
type Column struct {
	Name string
	Type Type

	// Lists names, for each member of the objects in this column's JSON array, the list column that holds that member of
	// every element, in order: a VARCHAR[] with the member's compact JSON text for arrays and objects, its bare text for
	// scalars, and NULL where the element has no such member. Valid for rows whose array is well formed; for the others
	// Shredded is false.
	Lists map[string]string

	// Shredded names the BOOLEAN column that is true where Lists describes the row completely; "" when Lists is empty.
	Shredded string

	// Members names, for each member path of this column's JSON object ("errorCode", "geoCoordinates.latitude"), the twin
	// that holds it.
	Members map[string]Member
}

// A Member is the twin of one scalar member of a JSON object.
type Member struct {
	Column string // physical name
	Type   Type   // String twins are NULL where the member is missing, as are all others
}

// A Table is one table of the schema.
type Table struct {
	Name       string // as KQL names it, such as SigninLogs
	Physical   string // as the log store names it; never shown. "" is a table that is known and has no rows here
	TimeColumn string // the datetime column that a query's time range applies to; "" when there is none
	Columns    []Column
}

// A Schema is the set of tables that a query may name.
type Schema struct {
	Tables     []Table
	Watchlists []Table // what _GetWatchlist(Name) reads; each has the column SearchKey
}

// Table returns the table with exactly this name.
func (s Schema) Table(name string) (Table, bool) {
	for _, t := range s.Tables {
		if t.Name == name {
			return t, true
		}
	}
	return Table{}, false
}
