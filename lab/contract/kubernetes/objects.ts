/** The objects that the suite makes, as inputs of resources. */
import type { Value, ValueMap } from "../../../provider/wire";

const MANAGER = { "pulumi.com/patchFieldManager": "pulumi-microvm" };

export const namespace = (name: string): ValueMap => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, annotations: MANAGER },
});

export const configMap = (
  data: Record<string, Value>,
  annotations: Record<string, string> = {},
  name = "settings",
): ValueMap => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, namespace: "app", annotations: { ...MANAGER, ...annotations } },
  data,
});

/** `key`: base64. */
export const secret = (key: string): ValueMap => ({
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "key", namespace: "app", annotations: MANAGER },
  data: { key },
});

export const customResource = (size: string): ValueMap => ({
  apiVersion: "contract.example.org/v1",
  kind: "Thing",
  metadata: { name: "thing", namespace: "app", annotations: MANAGER },
  spec: { size },
});

export const definition = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "things.contract.example.org" },
  spec: {
    group: "contract.example.org",
    scope: "Namespaced",
    names: { kind: "Thing", plural: "things", singular: "thing", listKind: "ThingList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", properties: { size: { type: "string" } } } },
          },
        },
      },
    ],
  },
};
