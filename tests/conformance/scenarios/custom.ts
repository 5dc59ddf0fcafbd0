// Custom kinds: validation in the server's words, pruning, defaults, versions, columns and subresources.
import type { Recorder, Scenario } from "../recorder.ts";
import type { Json } from "../target.ts";

interface Definition {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  spec: { names: { plural: string; kind: string } } & Json;
}

const text = { type: "string" };
const either = { a: text, b: text };

const SPEC: Json = {
  type: "object",
  required: ["name"],
  properties: {
    name: { type: "string", minLength: 2, maxLength: 5, pattern: "^[a-z]+$" },
    mode: { type: "string", enum: ["a", "b"] },
    count: { type: "integer", minimum: 1, maximum: 10, default: 3 },
    ratio: { type: "number", exclusiveMinimum: true, minimum: 0 },
    half: { type: "number", multipleOf: 0.5 },
    items: { type: "array", minItems: 1, maxItems: 2, items: text },
    port: { "x-kubernetes-int-or-string": true },
    either: { type: "object", properties: either, oneOf: [{ required: ["a"] }, { required: ["b"] }] },
    some: { type: "object", properties: either, anyOf: [{ required: ["a"] }, { required: ["b"] }] },
    none: { type: "object", properties: { a: text }, not: { required: ["a"] } },
    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true, properties: { known: { type: "object", properties: { x: text } } } },
    nothing: { type: "string", nullable: true },
    map: { type: "object", additionalProperties: { type: "integer" }, maxProperties: 2, minProperties: 1 },
    when: { type: "string", format: "date-time" },
    deep: { type: "object", default: {}, properties: { x: { type: "string", default: "why" } } },
    list: {
      type: "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
      items: { type: "object", required: ["name"], properties: { name: text, v: { type: "integer", default: 1 } } },
    },
    set: { type: "array", "x-kubernetes-list-type": "set", items: text },
    flag: { type: "boolean" },
    replicas: { type: "integer" },
    embedded: { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
  },
};

const STATUS: Json = {
  type: "object",
  properties: {
    phase: text, replicas: { type: "integer" }, seen: { type: "string", format: "date-time" },
    conditions: { type: "array", items: { type: "object", properties: { type: text, status: text } } },
  },
};

const COLUMNS = [
  { name: "Phase", type: "string", jsonPath: ".status.phase" },
  { name: "Ready", type: "string", jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
  { name: "Count", type: "integer", jsonPath: ".spec.count" },
  { name: "Seen", type: "date", jsonPath: ".status.seen", priority: 1 },
  { name: "Seen As Text", type: "string", jsonPath: ".status.seen", priority: 1 },
  { name: "Items", type: "string", jsonPath: ".spec.items" },
  { name: "Names", type: "string", jsonPath: ".spec.list[*].name" },
  { name: "Flag", type: "boolean", jsonPath: ".spec.flag" },
  { name: "Ratio", type: "number", jsonPath: ".spec.ratio" },
  { name: "Deep", type: "string", jsonPath: ".spec.deep" },
];

function definition(group: string, plural: string, kind: string, extra: Json): Definition {
  const version = { served: true, storage: true, schema: { openAPIV3Schema: { type: "object", required: ["spec"], properties: { spec: SPEC, status: STATUS } } } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: { group, scope: "Namespaced", names: { plural, kind }, versions: [{ name: "v1", ...version, ...extra }, { name: "v1beta1", ...version, ...extra, storage: false }] },
  };
}

export function definitions(group: string): Definition[] {
  const subresources = { status: {}, scale: { specReplicasPath: ".spec.replicas", statusReplicasPath: ".status.replicas" } };
  return [
    definition(group, "widgets", "Widget", { subresources, additionalPrinterColumns: COLUMNS }),
    definition(group, "plains", "Plain", {}),
  ];
}

function widget(api: Recorder, name: string, spec: unknown, extra: Json = {}, kind = "Widget"): Json {
  return { apiVersion: `${api.group}/v1`, kind, metadata: { name }, spec, ...extra };
}

const REFUSED: Record<string, unknown> = {
  "nothing at all": {},
  "too long": { name: "abcdefg" },
  "too short": { name: "a" },
  "another pattern": { name: "A1" },
  "another type": { name: 5 },
  "not of the enum": { name: "ab", mode: "c" },
  "below the minimum": { name: "ab", count: 0 },
  "above the maximum": { name: "ab", count: 11 },
  "a text for an integer": { name: "ab", count: "x" },
  "a fraction for an integer": { name: "ab", count: 1.5 },
  "no multiple": { name: "ab", half: 0.7 },
  "not above the exclusive minimum": { name: "ab", ratio: -1 },
  "too few items": { name: "ab", items: [] },
  "too many items": { name: "ab", items: ["a", "b", "c"] },
  "an item of another type": { name: "ab", items: ["a", 2] },
  "a text for a list": { name: "ab", items: "a" },
  "neither integer nor string": { name: "ab", port: true },
  "none of oneOf": { name: "ab", either: {} },
  "both of oneOf": { name: "ab", either: { a: "1", b: "2" } },
  "none of anyOf": { name: "ab", some: {} },
  "what must not be": { name: "ab", none: { a: "1" } },
  "a value of another type in a map": { name: "ab", map: { a: "x" } },
  "too many properties": { name: "ab", map: { a: 1, b: 2, c: 3 } },
  "too few properties": { name: "ab", map: {} },
  "no date": { name: "ab", when: "x" },
  "two items of one key": { name: "ab", list: [{ name: "a" }, { name: "a" }] },
  "an item without its key": { name: "ab", list: [{ v: 1 }] },
  "twice in a set": { name: "ab", set: ["a", "a"] },
  "two things at once": { name: "ab", flag: "true", mode: "c" },
  "an embedded object that does not say what it is": { name: "ab", embedded: { a: 1 } },
  "null for what is required": { name: null },
  "null for everything": null,
};

const columnsAndCells = async (api: Recorder, path: string): Promise<void> => {
  const { body } = await api.get(path, { Accept: "application/json;as=Table;g=meta.k8s.io;v=v1" });
  api.log.pop();
  const columns = body.columnDefinitions as { name: string; type: string; priority: number; format: string }[];
  api.note("columns", columns.map(({ name, type, priority, format }) => ({ name, type, priority, format })));
  api.note("cells", (body.rows as { cells: unknown[] }[]).map(({ cells }) => cells.map((cell) => (typeof cell === "string" ? cell.replace(/^\d+[smhdy]\w*$/, "AGE") : cell))));
};

export const customScenarios: readonly Scenario[] = [
  ...Object.entries(REFUSED).map(([name, spec]) => ({
    name: `refused: ${name}`,
    async run(api: Recorder): Promise<void> {
      await api.post(api.custom("widgets"), widget(api, "one", spec));
    },
  })),
  {
    name: "pruning and defaulting",
    async run(api) {
      const odd = { name: "ab", foo: 1, free: { x: { y: 1 }, known: { x: "1", z: 2 } }, deep: { z: 1 }, list: [{ name: "a", q: 1 }], nothing: null, flag: null, count: null, embedded: { apiVersion: "v1", kind: "X", metadata: { name: "n" }, any: 1 } };
      await api.post(api.custom("widgets"), widget(api, "one", odd, { top: 1, status: { phase: "x" } }));
      await api.get(api.custom("widgets", "one"));
    },
  },
  {
    name: "unknown fields, strictly",
    async run(api) {
      await api.post(`${api.custom("widgets")}?fieldValidation=Strict`, widget(api, "one", { name: "ab", foo: 1, deep: { z: 1 }, list: [{ name: "a", q: 1 }] }, { top: 1 }));
      await api.post(api.custom("widgets"), widget(api, "one", { name: "ab" }));
      const patch = await api.send("PATCH", `${api.custom("widgets", "one")}?fieldValidation=Strict`, { spec: { foo: 1 } }, { "Content-Type": "application/merge-patch+json" });
      api.log.pop();
      api.note("patch", [patch.status, patch.body.reason]);
    },
  },
  {
    name: "updates need a version; patches take merge and JSON only",
    async run(api) {
      await api.post(api.custom("widgets"), widget(api, "one", { name: "ab" }));
      await api.put(api.custom("widgets", "one"), widget(api, "one", { name: "ac" }));
      await api.patch("strategic", api.custom("widgets", "one"), { spec: { name: "ac" } });
      await api.patch("json", api.custom("widgets", "one"), [{ op: "replace", path: "/spec/name", value: "ad" }]);
      await api.patch("merge", api.custom("widgets", "one"), { spec: { name: "A" } });
      await api.patch("merge", api.custom("widgets", "one"), { metadata: { resourceVersion: "1" } });
      await api.patch("merge", api.custom("widgets", "one"), { metadata: { uid: "00000000-0000-0000-0000-000000000000" } });
      await api.patch("json", api.custom("widgets", "one"), [{ op: "test", path: "/spec/name", value: "zz" }]);
    },
  },
  {
    name: "status apart from spec",
    async run(api) {
      await api.post(api.custom("widgets"), widget(api, "one", { name: "ab" }));
      await api.patch("merge", api.custom("widgets", "one"), { status: { phase: "ignored" } });
      await api.patch("merge", `${api.custom("widgets", "one")}/status`, { status: { phase: "kept", unknown: 1 }, spec: { name: "ignored" } });
      await api.patch("merge", api.custom("widgets", "one"), { spec: { name: "ac" }, status: { phase: "ignored" } });
      await api.patch("merge", api.custom("widgets", "one"), { metadata: { annotations: { a: "b" } } });
      await api.get(`${api.custom("widgets", "one")}/status`);
      const read = await api.look(api.custom("widgets", "one"));
      await api.put(`${api.custom("widgets", "one")}/status`, { ...read.body, metadata: { ...(read.body.metadata as Json), labels: { ignored: "too" } }, status: { phase: "put" } });
    },
  },
  {
    name: "without a status subresource status is a field like any other",
    async run(api) {
      await api.post(api.custom("plains"), widget(api, "one", { name: "ab" }, { status: { phase: "kept" } }, "Plain"));
      await api.patch("merge", api.custom("plains", "one"), { status: { phase: "changed" } });
      await api.get(`${api.custom("plains", "one")}/status`);
    },
  },
  {
    name: "scale of a custom kind",
    async run(api) {
      await api.post(api.custom("widgets"), widget(api, "one", { name: "ab", replicas: 2 }));
      await api.get(`${api.custom("widgets", "one")}/scale`);
      await api.patch("merge", `${api.custom("widgets", "one")}/scale`, { spec: { replicas: 4 } });
      await api.get(api.custom("widgets", "one"));
    },
  },
  {
    name: "versions differ in name only",
    async run(api) {
      await api.post(api.custom("widgets", "", "v1beta1"), { ...widget(api, "one", { name: "ab" }), apiVersion: `${api.group}/v1beta1` });
      await api.get(api.custom("widgets", "one"));
      await api.get(api.custom("widgets", "", "v1beta1"));
      await api.post(api.custom("widgets", "", "v1beta1"), widget(api, "two", { name: "ab" }));
    },
  },
  {
    name: "columns",
    async run(api) {
      const spec = { name: "ab", items: ["x", "y"], list: [{ name: "a" }, { name: "b" }], flag: true, ratio: 1.5 };
      await api.post(api.custom("widgets"), widget(api, "full", spec));
      await api.post(api.custom("widgets"), widget(api, "none", { name: "ab" }));
      await api.patch("merge", `${api.custom("widgets", "full")}/status`, { status: { phase: "Up", seen: "2020-01-01T00:00:00Z", conditions: [{ type: "Other", status: "False" }, { type: "Ready", status: "True" }] } });
      await columnsAndCells(api, api.custom("widgets"));
      await api.post(api.custom("plains"), widget(api, "one", { name: "ab" }, {}, "Plain"));
      await columnsAndCells(api, api.custom("plains"));
    },
  },
  {
    name: "deletion moves the generation of what is held",
    async run(api) {
      await api.post(api.custom("widgets"), { ...widget(api, "one", { name: "ab" }), metadata: { name: "one", finalizers: ["test.io/hold"] } });
      await api.remove(api.custom("widgets", "one"));
      await api.patch("merge", api.custom("widgets", "one"), { metadata: { finalizers: [] } });
      await api.remove(api.custom("widgets", "one"));
    },
  },
  {
    name: "watch of a custom kind",
    async run(api) {
      const start = await api.look(api.custom("widgets"));
      const version = String((start.body.metadata as Json).resourceVersion);
      const watch = await api.watch(`${api.custom("widgets")}?watch=true&resourceVersion=${version}`);
      await api.post(api.custom("widgets"), widget(api, "one", { name: "ab" }));
      await api.patch("merge", `${api.custom("widgets", "one")}/status`, { status: { phase: "x" } });
      await api.remove(api.custom("widgets", "one"));
      await watch.take(3);
    },
  },
  {
    name: "the definition says that it is established, and discovery lists it",
    async run(api) {
      const { body } = await api.look(`/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${api.group}`);
      const status = body.status as { conditions: Json[]; acceptedNames: Json; storedVersions: string[] };
      api.note("conditions", status.conditions.map(({ type, status: value, reason }) => [type, value, reason]));
      api.note("names", [status.acceptedNames, status.storedVersions]);
      await api.until(`/apis/${api.group}`, ({ status: code }) => code === 200);
      const resources = await api.look(`/apis/${api.group}/v1`);
      const rows = resources.body.resources as Json[];
      api.note("resources", rows.map(({ name, kind, namespaced, verbs }) => [name, kind, namespaced, [...verbs as string[]].sort()]).sort());
    },
  },
];
