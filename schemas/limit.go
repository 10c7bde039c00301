package schemas

import (
	"fmt"
	"reflect"
	"strings"
)

// Limit defines what an operation allows to a caller that is limited to certain pipelines. It
// is one of the constants, or a list of fields of the request, separated by commas. At least
// one of the fields must be given, and each given field names a record of a pipeline that the
// caller may use.
type Limit string

const (
	// LimitRefused: the operation is about records that belong to no pipeline, and is refused.
	LimitRefused Limit = ""
	// LimitOwn: the reply has only records of the caller's pipelines.
	LimitOwn Limit = "own"
	// LimitNone: the operation shows and changes nothing of a pipeline.
	LimitNone Limit = "none"
)

// fields returns the names of the fields; none for a constant.
func (l Limit) fields() []string {
	if l == LimitRefused || l == LimitOwn || l == LimitNone {
		return nil
	}
	return strings.Split(string(l), ",")
}

// Record is a record that a request names.
type Record struct{ Noun, Ref string }

// Records returns the records of the request of which the Limit of the operation has the
// fields. Strings without a noun of their own are slugs of pipelines.
func (o *Op) Records(request any) (records []Record) {
	value := reflect.ValueOf(request)
	for _, name := range o.Limit.fields() {
		field := value.FieldByIndex(fieldOf(o.Request, name).Index)
		if field.Kind() == reflect.Pointer {
			field = field.Elem()
		}
		if !field.IsValid() || field.IsZero() {
			continue
		}
		record := Record{"pipeline", fmt.Sprint(field.Interface())}
		if named, ok := field.Interface().(interface{ Noun() string }); ok {
			record.Noun = named.Noun()
		}
		records = append(records, record)
	}
	return records
}

// fieldOf returns the field of the type with the name in JSON.
func fieldOf(t reflect.Type, name string) reflect.StructField {
	for _, f := range reflect.VisibleFields(t) {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return f
		}
	}
	panic(fmt.Sprintf("%s has no field %s, which the limit of an operation names", t, name))
}
