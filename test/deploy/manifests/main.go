// Reads Kubernetes manifests from standard input and decodes each strictly: an unknown kind, an unknown field, a field
// given twice or a value of a wrong type is an error. Kinds of the Prometheus operator are only parsed.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

func main() {
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme.Scheme, scheme.Scheme,
		json.SerializerOptions{Yaml: true, Strict: true})
	documents := utilyaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	decoded, faults := 0, 0
	for {
		document, err := documents.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			fault(err)
		}
		kind, err := decode(decoder, document)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", kind, err)
			faults++
		} else if kind != "" {
			decoded++
		}
	}
	fmt.Printf("%d manifests\n", decoded)
	if faults > 0 || decoded == 0 {
		os.Exit(1)
	}
}

// The kind is empty for a document with comments alone.
func decode(decoder runtime.Decoder, document []byte) (string, error) {
	var head struct{ APIVersion, Kind string }
	if err := yaml.Unmarshal(document, &head); err != nil {
		return "a document", err
	}
	if head.Kind == "" {
		return "", nil
	}
	if strings.HasPrefix(head.APIVersion, "monitoring.coreos.com/") {
		var object map[string]any
		return head.Kind, yaml.UnmarshalStrict(document, &object)
	}
	_, _, err := decoder.Decode(document, nil, nil)
	return head.Kind, err
}

func fault(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
