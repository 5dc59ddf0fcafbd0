// Which metadata belongs to the server, and which of the client's is well-formed? The same rules for every kind.
// It must never look at a spec or a status.
import { copyJson, isRecord, recordsOf, sameJson, textOf } from "./json.ts";
import { badRequest, invalid } from "./errors.ts";
import type { FieldError } from "./errors.ts";
import type { ResourceType } from "./resource-type.ts";
import type { KubeMeta, KubeObject, Random } from "./types.ts";

const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const PATH_SEGMENT = /^[^/%]+$/;
const QUALIFIED = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

const SUBDOMAIN_TEXT = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1123_TEXT = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035_TEXT = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_TEXT = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_TEXT = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

export function timestamp(nowMs: number): string {
  return `${new Date(Math.floor(nowMs / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

export function randomUid(random: Random): string {
  const hex = (length: number): string =>
    Array.from({ length }, () => Math.floor(random() * 16).toString(16)).join("");
  const variant = (8 + Math.floor(random() * 4)).toString(16);
  return `${hex(8)}-${hex(4)}-4${hex(3)}-${variant}${hex(3)}-${hex(12)}`;
}

/** The alphabet of generated names: no vowels and nothing that looks like one, so that no word appears by chance. */
const NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

export function generatedName(prefix: string, random: Random): string {
  const letters = Array.from({ length: 5 }, () => NAME_ALPHABET[Math.floor(random() * NAME_ALPHABET.length)] ?? "x");
  return `${prefix.slice(0, 58)}${letters.join("")}`;
}

/** Metadata of a new object: what the client may choose is kept, what the server owns is set. */
export function createdMeta(type: ResourceType, given: KubeMeta, nowMs: number, random: Random): KubeMeta {
  const meta = copyJson(given);
  if (textOf(meta.name) === undefined || meta.name === "") {
    const prefix = textOf(meta.generateName);
    if (prefix !== undefined && prefix !== "") meta.name = generatedName(prefix, random);
  }
  if (!type.namespaced) delete meta.namespace;
  delete meta.deletionTimestamp;
  delete meta.deletionGracePeriodSeconds;
  delete meta.resourceVersion;
  delete meta.managedFields;
  delete meta.selfLink;
  if (type.generation !== "none") delete meta.generation;
  meta.uid = randomUid(random);
  meta.creationTimestamp = timestamp(nowMs);
  if (type.generation !== "none") meta.generation = 1;
  dropEmptyMaps(meta);
  return meta;
}

/** Metadata of an update: the server's fields are those of the stored object, whatever the client sent. */
export function updatedMeta(given: KubeMeta, old: KubeMeta): KubeMeta {
  const meta = copyJson(given);
  for (const field of ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "resourceVersion"]) {
    if (old[field] === undefined) delete meta[field];
    else meta[field] = old[field];
  }
  delete meta.managedFields;
  delete meta.selfLink;
  if (old.generateName !== undefined && meta.generateName === undefined) meta.generateName = old.generateName;
  dropEmptyMaps(meta);
  return meta;
}

function dropEmptyMaps(meta: KubeMeta): void {
  for (const field of ["labels", "annotations", "finalizers", "ownerReferences"]) {
    const value = meta[field];
    if (value === null || (Array.isArray(value) ? value.length === 0 : isRecord(value) && Object.keys(value).length === 0)) delete meta[field];
  }
}

/** Whether the change from old to new is one that metadata.generation counts. */
export function movesGeneration(type: ResourceType, old: KubeObject, next: KubeObject): boolean {
  switch (type.generation) {
    case "none":
      return false;
    case "spec":
      return !sameJson(old.spec, next.spec);
    case "all": {
      const body = (object: KubeObject): unknown =>
        Object.fromEntries(Object.entries(object).filter(([field]) =>
          field !== "metadata" && field !== "apiVersion" && field !== "kind" && !(type.hasStatus && field === "status")));
      return !sameJson(body(old), body(next));
    }
  }
}

export function requireMeta(object: unknown): asserts object is KubeObject {
  if (!isRecord(object)) throw badRequest("the request body is not a JSON object");
  if (object.metadata === undefined || object.metadata === null) object.metadata = {};
  if (!isRecord(object.metadata)) throw badRequest("json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta");
}

function nameErrors(type: ResourceType, name: string, field: string): FieldError[] {
  const bad = (detail: string): FieldError[] => [{ type: "Invalid value", field, value: name, detail }];
  if (type.group === "rbac.authorization.k8s.io") {
    return PATH_SEGMENT.test(name) ? [] : bad("may not contain '/' or '%'");
  }
  if (type.id === "services") return LABEL_1035.test(name) && name.length <= 63 ? [] : bad(LABEL_1035_TEXT);
  if (type.id === "namespaces" && name.includes(".")) return bad("must not contain dots");
  if (type.id === "namespaces") return LABEL_1123.test(name) && name.length <= 63 ? [] : bad(LABEL_1123_TEXT);
  if (name.length > 253) return bad("must be no more than 253 characters");
  return SUBDOMAIN.test(name) ? [] : bad(SUBDOMAIN_TEXT);
}

/** The well-formedness of names, labels, annotations and owner references. */
export function metaErrors(type: ResourceType, object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const meta = object.metadata;
  const errors: FieldError[] = [];
  if (textOf(meta.name) === undefined || meta.name === "") {
    return [{ type: "Required value", field: "metadata.name", detail: "name or generateName is required" }];
  }
  if (old === undefined) errors.push(...nameErrors(type, meta.name, "metadata.name"));
  errors.push(...labelErrors(meta.labels, "metadata.labels"));
  for (const key of Object.keys(isRecord(meta.annotations) ? meta.annotations : {})) {
    errors.push(...keyErrors(key.toLowerCase(), "metadata.annotations"));
  }
  for (const reference of recordsOf(meta.ownerReferences)) {
    const field = "metadata.ownerReferences";
    for (const required of ["apiVersion", "kind", "name", "uid"]) {
      const value = textOf(reference[required]) ?? "";
      if (value !== "") continue;
      errors.push({ type: "Invalid value", field: `${field}.${required}`, value, detail: required === "apiVersion" ? "version must not be empty" : "must not be empty" });
    }
  }
  if (old?.metadata.deletionTimestamp !== undefined) {
    const known = new Set(old.metadata.finalizers ?? []);
    const added = (meta.finalizers ?? []).filter((finalizer) => !known.has(finalizer));
    if (added.length > 0) {
      const shown = `[]string{${added.map((finalizer) => JSON.stringify(finalizer)).join(", ")}}`;
      const error: FieldError = { type: "Forbidden", field: "metadata.finalizers", detail: `no new finalizers can be added if the object is being deleted, found new finalizers ${shown}` };
      // The real server checks the metadata of an update twice, and says so twice.
      errors.push(error, error);
    }
  }
  return errors;
}

export function labelErrors(labels: unknown, field: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(isRecord(labels) ? labels : {})) {
    errors.push(...keyErrors(key, field));
    if (typeof value !== "string" || value === "") continue;
    if (value.length > 63) errors.push({ type: "Invalid value", field, value, detail: "must be no more than 63 characters" });
    if (!QUALIFIED.test(value)) errors.push({ type: "Invalid value", field, value, detail: LABEL_VALUE_TEXT });
  }
  return errors;
}

function keyErrors(key: string, field: string): FieldError[] {
  const slash = key.indexOf("/");
  const name = key.slice(slash + 1);
  const errors: FieldError[] = [];
  if (slash >= 0 && !SUBDOMAIN.test(key.slice(0, slash))) errors.push({ type: "Invalid value", field, value: key, detail: `prefix part ${SUBDOMAIN_TEXT}` });
  if (name.length > 63) errors.push({ type: "Invalid value", field, value: key, detail: "name part must be no more than 63 characters" });
  if (!QUALIFIED.test(name)) errors.push({ type: "Invalid value", field, value: key, detail: QUALIFIED_TEXT });
  return errors;
}

/** @throws ApiError 422 when anything was found */
export function refuseErrors(type: ResourceType, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(type, name, errors);
}
