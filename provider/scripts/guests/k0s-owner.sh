# shellcheck shell=sh
# needs: k0s
# The owner of the cluster, as its API records it: the ConfigMap pulumi-microvm in kube-system. It
# is part of each backup of the cluster, and other stacks see it on every controller.
K0S_OWNER=pulumi-microvm
K0S_OWNER_LINE='{.data.stack}{"\t"}{.data.project}'

# read_owner: sets `owner`, STACK<TAB>PROJECT. Empty: nobody. Returns false if the API does not say.
read_owner() {
  owner=$(
    run_k0s 30 kubectl get configmap "$K0S_OWNER" --namespace=kube-system --ignore-not-found \
      --output="jsonpath=$K0S_OWNER_LINE"
  )
}
