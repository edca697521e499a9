/** Scalars of `gitops`, with the syntax of Kubernetes, Git and Helm. */
import { matching, text } from "./scalars";

const DNS_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";

export const namespace = matching(
  new RegExp(`^${DNS_LABEL}$`),
  "is not the name of a namespace",
  "use a-z, 0-9 and '-', at most 63 characters",
);

/** Of an object of Kubernetes: NAMESPACE/NAME. */
export const namespacedName = matching(
  new RegExp(`^${DNS_LABEL}/[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`),
  "is not the namespace and the name of an object",
  "write NAMESPACE/NAME: kube-system/cilium",
);

/** Helm's own limit for the name of a release. */
export const releaseName = matching(
  /^[a-z0-9]([a-z0-9.-]{0,51}[a-z0-9])?$/,
  "is not the name of a Helm release",
  "use a-z, 0-9, '-' and '.', at most 53 characters",
);

export const repository = matching(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,38}\/[A-Za-z0-9][A-Za-z0-9._-]{0,98}$/,
  "is not a repository",
  "write OWNER/NAME: platform/cluster",
);

export const branch = matching(
  /^(?![-/.])(?!.*(\.\.|\/\/|@\{|\.lock$|[/.]$))[A-Za-z0-9._/@+-]{1,200}$/,
  "is not the name of a branch",
  "use letters, digits, '.', '_', '-' and '/': main",
);

/** Relative to the directory that the key names; `/` separates its parts. */
export const inside = text(
  {
    test: (value) => /^[A-Za-z0-9._/@+-]+$/.test(value) && !value.startsWith("/"),
    what: "is not a plain relative path",
    remedy: "write it relative to the tree: clusters/prod",
  },
  {
    test: (value) => !value.split("/").includes(".."),
    what: "contains '..'",
    remedy: "write the path without '..'",
  },
);

/** As kustomize-controller checks the names of variables. */
export const variable = matching(
  /^[_A-Za-z][_A-Za-z0-9]*$/,
  "is not the name of a variable",
  "use letters, digits and '_', starting with a letter: REGION",
);

export const chartRepository = matching(
  /^(https?|oci):\/\/[^\s/@?#]+(\/[^\s@?#]*)?$/,
  "is not the address of a chart repository",
  "write https://HOST/PATH or oci://HOST/PATH, without user and password",
);

export const chartName = matching(
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,249}$/,
  "is not the name of a chart",
  "write the name as in its Chart.yaml: cilium",
);

export const chartVersion = text({
  test: (value) => /^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/.test(value),
  what: "is not one version of a chart",
  remedy: 'pin one, in quotes: "1.19.3"',
});
