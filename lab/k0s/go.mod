// The lab's stand-in of k0s. It needs nothing but Go's standard library and a YAML parser.
module pulumi-microvm/lab/k0s

go 1.25.0

require go.yaml.in/yaml/v3 v3.0.5
