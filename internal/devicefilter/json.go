package devicefilter

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// MarshalJSON writes the properties that are not null under their names, so that a decision on a device can be made again.
func (d *Device) MarshalJSON() ([]byte, error) {
	m := map[string]any{}
	for p := range propertyCount {
		prop := &properties[p]
		switch prop.kind {
		case listKind:
			if d.lists[prop.list] != nil {
				m[prop.name] = d.lists[prop.list]
			}
		case boolKind:
			if d.compliant != nil {
				m[prop.name] = *d.compliant
			}
		case textKind:
			if v := d.text[p]; v.present {
				m[prop.name] = v.text
			}
		}
	}
	return json.Marshal(m)
}

// UnmarshalJSON reads what MarshalJSON has written.
func (d *Device) UnmarshalJSON(data []byte) error {
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("devicefilter: device: %w", err)
	}
	*d = Device{}
	for name, v := range m {
		p, ok := PropertyNamed(name)
		if !ok {
			return fmt.Errorf("devicefilter: device: no property %q", name)
		}
		values := []string{}
		switch v := v.(type) {
		case string:
			values = append(values, v)
		case bool:
			values = append(values, strconv.FormatBool(v))
		case []any:
			for _, each := range v {
				text, ok := each.(string)
				if !ok {
					return fmt.Errorf("devicefilter: device: %s holds a %T", name, each)
				}
				values = append(values, text)
			}
		default:
			return fmt.Errorf("devicefilter: device: %s is a %T", name, v)
		}
		if err := d.Set(p, values...); err != nil {
			return err
		}
	}
	return nil
}
