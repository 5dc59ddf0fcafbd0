// Which objects does a label or field selector choose? Parses the query strings of the API and answers by object.
// It must never choose by anything else than labels and the declared fields.
import { badRequest } from "./errors.ts";
import { at } from "./json.ts";
import type { ResourceType } from "./resource-type.ts";
import type { KubeObject } from "./types.ts";

export type Selects = (object: KubeObject) => boolean;

type Labels = Readonly<Record<string, string>>;

/** @throws ApiError 400 when it is not a label selector */
export function labelSelector(text: string): (labels: Labels) => boolean {
  const requirements = splitOutsideParentheses(text).map((part) => requirement(part.trim(), text));
  return (labels) => requirements.every((holds) => holds(labels));
}

function splitOutsideParentheses(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let current = "";
  for (const letter of text) {
    if (letter === "(") depth += 1;
    if (letter === ")") depth -= 1;
    if (letter === "," && depth === 0) {
      parts.push(current);
      current = "";
    } else current += letter;
  }
  parts.push(current);
  return parts.filter((part, index) => part.trim() !== "" || index < parts.length - 1);
}

const SET = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const EQUALITY = /^([^=!<>\s]+)\s*(==|=|!=|>|<)\s*([^=!<>\s]*)$/;
const EXISTS = /^(!?)\s*([^=!<>\s()]+)$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

function requirement(part: string, whole: string): (labels: Labels) => boolean {
  const set = SET.exec(part);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = new Set(list.split(",").map((value) => value.trim()));
    requireKey(key, whole);
    if (operator === "in") return (labels) => values.has(labels[key] ?? "\u0000");
    return (labels) => labels[key] === undefined || !values.has(labels[key]);
  }
  const equality = EQUALITY.exec(part);
  if (equality !== null) {
    const [, key = "", operator, value = ""] = equality;
    requireKey(key, whole);
    switch (operator) {
      case "!=": return (labels) => labels[key] !== value;
      case ">": return (labels) => Number.parseInt(labels[key] ?? "", 10) > Number(value);
      case "<": return (labels) => Number.parseInt(labels[key] ?? "", 10) < Number(value);
      default: return (labels) => labels[key] === value;
    }
  }
  const exists = EXISTS.exec(part);
  if (exists === null) throw badRequest(`unable to parse requirement: found '${part}' in label selector "${whole}"`);
  const [, negated, key = ""] = exists;
  requireKey(key, whole);
  return (labels) => (labels[key] !== undefined) === (negated === "");
}

function requireKey(key: string, whole: string): void {
  if (!LABEL_KEY.test(key)) throw badRequest(`unable to parse requirement: <nil>: Invalid value: "${key}": name part must consist of alphanumeric characters, '-', '_' or '.' (label selector "${whole}")`);
}

const SELECTABLE: Record<string, readonly string[]> = {
  pods: ["spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName"],
  events: ["involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"],
  namespaces: ["status.phase"],
  nodes: ["spec.unschedulable"],
  secrets: ["type"],
  services: ["spec.clusterIP", "spec.type"],
  "replicasets.apps": ["status.replicas"],
};

/** @throws ApiError 400 for a field that this kind cannot be selected by */
export function fieldSelector(type: ResourceType, text: string): Selects {
  const terms = text.split(",").filter((term) => term !== "").map((term) => {
    const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(term);
    if (match === null) throw badRequest(`invalid field selector: '${term}': can't understand '${term}'`);
    const [, field = "", operator, value = ""] = match;
    if (!isSelectable(type, field)) throw badRequest(`Unable to find "${type.group}/${type.storageVersion}, Resource=${type.plural}" that match label selector "", field selector "${text}": field label not supported: ${field}`);
    return { path: field.split("."), negated: operator === "!=", value };
  });
  return (object) => terms.every(({ path, negated, value }) => (fieldText(object, path) === value) !== negated);
}

function isSelectable(type: ResourceType, field: string): boolean {
  if (field === "metadata.name" || (field === "metadata.namespace" && type.namespaced)) return true;
  return (SELECTABLE[type.id] ?? type.selectableFields ?? []).includes(field);
}

function fieldText(object: KubeObject, path: readonly string[]): string {
  const value = path.length === 1 && path[0] === "source" ? at(object, "source", "component") : at(object, ...path);
  if (value === undefined || value === null) return path.at(-1) === "unschedulable" ? "false" : "";
  return String(value);
}
