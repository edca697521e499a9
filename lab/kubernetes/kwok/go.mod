// kwok, which simulates nodes and pods, for machines where its release can't be downloaded.
module pulumi-microvm/lab/kubernetes/kwok

go 1.25.11

tool sigs.k8s.io/kwok/cmd/kwok

require sigs.k8s.io/kwok v0.8.0
