// Makes the SDKs for Go and Python of a Pulumi package from its schema on standard input, with the
// generators of the engine: sdk DIRECTORY MODULE. `pulumi package gen-sdk` needs language plugins,
// which are not published as Go modules.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	golang "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

func main() {
	if err := generate(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sdk:", err)
		os.Exit(1)
	}
}

func generate(directory, module string) error {
	var spec schema.PackageSpec
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&spec); err != nil {
		return err
	}
	base := fmt.Sprintf(`{"importBasePath":"%s/%s"}`, module, spec.Name)
	spec.Language = map[string]schema.RawMessage{"go": schema.RawMessage(base)}
	// Nothing in the schema is of another package.
	loader := schema.NewCachedLoader(nil)
	pkg, diagnostics, err := schema.BindSpec(spec, loader, schema.ValidationOptions{})
	if err != nil {
		return err
	}
	for _, diagnostic := range diagnostics {
		fmt.Fprintln(os.Stderr, diagnostic.Summary, diagnostic.Detail)
	}
	if diagnostics.HasErrors() {
		return fmt.Errorf("the schema has errors")
	}
	files, err := golang.GeneratePackage("sdk", pkg, nil)
	if err == nil {
		err = write(filepath.Join(directory, "go"), files)
	}
	if err != nil {
		return err
	}
	files, err = python.GeneratePackage("sdk", pkg, nil, loader)
	if err != nil {
		return err
	}
	return write(filepath.Join(directory, "python"), files)
}

func write(directory string, files map[string][]byte) error {
	for name, content := range files {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
