package config

import (
	"bytes"
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxFileBytes bounds a configuration file: what is larger is not one.
const maxFileBytes = 1 << 20

// Load reads the file at path, lets environ (in the form of os.Environ) override single keys, fills in the defaults and
// validates. path "" means no file. What is wrong comes back as Problems.
func Load(path string, environ []string) (Config, error) {
	var c Config
	var problems Problems
	if path != "" {
		text, err := readFile(path)
		if err != nil {
			return Config{}, err
		}
		problems = append(problems, c.decode(path, text)...)
	}
	problems = append(problems, c.override(environ)...)
	if len(problems) > 0 {
		return Config{}, problems // what was not understood cannot be judged
	}
	c = c.WithDefaults()
	return c, c.Validate()
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &Problem{What: "cannot read the configuration file", Cause: err,
			Remedy: "Name a file that exists and that the server may read, or start without one to use the defaults."}
	}
	defer func() { _ = f.Close() }() // opened for reading: nothing to lose
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxFileBytes {
		return nil, &Problem{Where: path, What: "is larger than 1 MiB", Remedy: "Name the configuration file of Boundgate."}
	}
	return text, nil
}

// decode reads TOML into c and refuses what Config does not know.
func (c *Config) decode(name string, text []byte) Problems {
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(c)
	var unknown *toml.StrictMissingError
	var malformed *toml.DecodeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &unknown):
		var problems Problems
		for i := range unknown.Errors {
			problems = append(problems, unknownKey(name, &unknown.Errors[i]))
		}
		return problems
	case errors.As(err, &malformed):
		what := strings.TrimPrefix(malformed.Error(), "toml: ")
		return Problems{{Where: place(name, malformed), What: what,
			Remedy: "Correct this line; docs/configuration.md shows every key with its type."}}
	default:
		return Problems{{Where: name, What: "cannot be understood", Cause: err,
			Remedy: "Correct the file; docs/configuration.md shows every key with its type."}}
	}
}

func place(name string, at *toml.DecodeError) string {
	row, column := at.Position()
	return fmt.Sprintf("%s:%d:%d", name, row, column)
}

func unknownKey(name string, at *toml.DecodeError) *Problem {
	path := []string(at.Key())
	p := &Problem{
		Where:  place(name, at),
		What:   "unknown key " + inProse(path),
		Remedy: "Remove it; docs/configuration.md lists every key.",
	}
	if slices.Equal(path, []string{"master_key", "passphrase"}) {
		p.What = "a passphrase does not belong in the configuration file"
		p.Remedy = "Set the environment variable BOUNDGATE_MASTER_KEY_PASSPHRASE, or name a file in [master_key] passphrase_file."
	} else if near := nearestKey(path); near != "" {
		p.Remedy = "Did you mean " + near + "?"
	}
	return p
}

// override sets the keys that environ names. A variable that looks like one of ours and is none is a problem: a misspelt
// override must not be ignored in silence.
func (c *Config) override(environ []string) Problems {
	var problems Problems
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "BOUNDGATE_") {
			continue
		}
		i := slices.IndexFunc(keys, func(k key) bool { return k.variable() == name })
		if i < 0 {
			problems = append(problems, unknownVariable(name)...)
			continue
		}
		if err := set(reflect.ValueOf(c).Elem().FieldByIndex(keys[i].index), value); err != nil {
			problems = append(problems, &Problem{Where: name, What: err.Error(),
				Remedy: "Correct the variable, or unset it to use what the file says for " + keys[i].String() + "."})
		}
	}
	return problems
}

// unknownVariable complains of a name in one of our sections, or close to one of our variables. Others pass: tests and
// container platforms have variables with our prefix too.
func unknownVariable(name string) Problems {
	candidates := slices.DeleteFunc(slices.Clone(keys), func(k key) bool { return !k.inSectionOf(name) })
	farthest := math.MaxInt
	if len(candidates) == 0 {
		candidates, farthest = keys, 2
	}
	distance := func(k key) int { return editDistance(name, k.variable()) }
	nearest := slices.MinFunc(candidates, func(a, b key) int { return cmp.Compare(distance(a), distance(b)) })
	if distance(nearest) > farthest {
		return nil
	}
	return Problems{{Where: name, What: "unknown environment variable",
		Remedy: "Did you mean " + nearest.variable() + "? If it is not meant for Boundgate, unset it."}}
}

// set stores the text of a variable in a field. A list is separated by commas, or written as in TOML: ["a", "b"].
func set(field reflect.Value, text string) error {
	if u, ok := field.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return errors.New(`is not a length of time such as "90s"`) // the cause would repeat the value
		}
		return nil
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("is not a whole number")
		}
		field.SetInt(n)
	case reflect.Slice:
		list, err := parseList(text)
		if err != nil {
			return err
		}
		field.Set(reflect.ValueOf(list))
	default:
		panic("config: no way to read a " + field.Type().String() + " from the environment")
	}
	return nil
}

func parseList(text string) ([]string, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		var doc struct{ List []string }
		if err := toml.Unmarshal([]byte("list = "+text), &doc); err != nil {
			return nil, errors.New(`is not a list such as ["a", "b"]`)
		}
		return doc.List, nil
	}
	var list []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, nil
}
