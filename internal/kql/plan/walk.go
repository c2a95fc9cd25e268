package plan

// Inputs returns the nodes that n reads from, those of sub-queries in its expressions not among them.
func Inputs(n Node) []Node {
	switch n := n.(type) {
	case *Filter:
		return []Node{n.Input}
	case *Project:
		return []Node{n.Input}
	case *Aggregate:
		return []Node{n.Input}
	case *Sort:
		return []Node{n.Input}
	case *Unnest:
		return []Node{n.Input}
	case *FirstPerKey:
		return []Node{n.Input}
	case *Union:
		return n.Inputs
	case *Join:
		return []Node{n.Left, n.Right}
	}
	return nil
}

// MapExprs replaces every expression of the node itself by what f makes of it, passed columns not among them.
func MapExprs(n Node, f func(Expr) Expr) {
	each := func(list []Expr) {
		for i := range list {
			list[i] = f(list[i])
		}
	}
	items := func(list []Item) {
		for i := range list {
			if !list[i].Passes() {
				list[i].X = f(list[i].X)
			}
		}
	}
	keys := func(list []SortKey) {
		for i := range list {
			list[i].X = f(list[i].X)
		}
	}
	switch n := n.(type) {
	case *Values:
		for _, row := range n.Rows {
			each(row)
		}
	case *Filter:
		n.Cond = f(n.Cond)
	case *Project:
		items(n.Items)
	case *Aggregate:
		items(n.Keys)
		for i := range n.Aggs {
			each(n.Aggs[i].Args)
			keys(n.Aggs[i].Order)
		}
	case *Sort:
		keys(n.Keys)
	case *Unnest:
		items(n.Items)
	case *FirstPerKey:
		each(n.Keys)
	case *Join:
		each(n.LeftKeys)
		each(n.RightKeys)
	}
}

// Rewrite returns x with f applied to every expression in it, the innermost last: where f returns true, its result is
// taken as it is.
func Rewrite(x Expr, f func(Expr) (Expr, bool)) Expr {
	if y, ok := f(x); ok {
		return y
	}
	switch x := x.(type) {
	case *Op:
		args := make([]Expr, len(x.Args))
		for i, a := range x.Args {
			args[i] = Rewrite(a, f)
		}
		return &Op{Name: x.Name, Args: args}
	case *InQuery:
		return &InQuery{X: Rewrite(x.X, f), Query: x.Query}
	}
	return x
}

// Visit calls f for x and every expression in it, until f returns false for a branch.
func Visit(x Expr, f func(Expr) bool) {
	Rewrite(x, func(x Expr) (Expr, bool) { return x, !f(x) })
}

// Prune drops the columns that nobody above uses, so that a scan reads no more than it must.
func Prune(n Node, needed map[*Column]bool) {
	need := func(x Expr) {
		Visit(x, func(x Expr) bool {
			switch x := x.(type) {
			case *Ref:
				needed[x.Col] = true
			case *InQuery:
				pruneAll(x.Query)
			case *Scalar:
				pruneAll(x.Query)
			}
			return true
		})
	}
	switch n := n.(type) {
	case *Scan:
		n.Cols = keep(n.Cols, func(c ScanColumn) bool { return needed[c.Col] })
	case *Project:
		n.Items = keep(n.Items, func(it Item) bool { return needed[it.Col] })
		for _, it := range n.Items {
			need(it.X)
		}
	case *Aggregate:
		n.Aggs = keep(n.Aggs, func(a Agg) bool { return needed[a.Col] || len(n.Keys) == 0 })
		for _, it := range n.Keys {
			need(it.X)
		}
	case *Union:
		for _, in := range n.Inputs {
			for _, c := range in.Columns() {
				needed[c] = true
			}
		}
	}
	if _, isProject := n.(*Project); !isProject {
		MapExprs(n, func(x Expr) Expr { need(x); return x })
	}
	if j, ok := n.(*Join); ok {
		Prune(j.Left, needed)
		Prune(j.Right, needed)
		return
	}
	for _, in := range Inputs(n) {
		Prune(in, needed)
	}
}

func pruneAll(n Node) {
	needed := map[*Column]bool{}
	for _, c := range n.Columns() {
		needed[c] = true
	}
	Prune(n, needed)
}

func keep[T any](list []T, f func(T) bool) []T {
	var kept []T
	for _, x := range list {
		if f(x) {
			kept = append(kept, x)
		}
	}
	return kept
}
