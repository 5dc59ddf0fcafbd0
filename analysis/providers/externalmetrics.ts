// What does the external metrics API of a cluster say, as autoscalers read it? The engine's own cluster is asked with its own rights; another one by its address, with a token.
import { failed, foreign, isMap, jsonOf, listOf, numberOf, refused, several, textOf } from "../answers.ts";
import { keysOf } from "../credentials.ts";
import type { Provider, Reading } from "../types.ts";

const TITLE = "the external metrics API";
const GROUP = "external.metrics.k8s.io";
const VERSION = "v1beta1";
/** [NAMESPACE/]METRIC[?labelSelector=...] */
const QUERY = /^(?:([a-z0-9-]+)\/)?([^/?]+?)\s*(?:\?(.*))?$/;
/** Decimal and binary suffixes of a quantity of Kubernetes. */
const SCALES: Readonly<Record<string, number>> = {
  n: 1e-9, u: 1e-6, m: 1e-3, "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

export const externalmetrics: Provider = {
  name: "externalmetrics",
  title: TITLE,
  about: { query: "[NAMESPACE/]METRIC[?labelSelector=...], in the namespace default where none is named", takes: "the value of the one item", cannot: "several items, custom and resource metrics" },
  form: "url",
  home: "cluster",
  needs: [],
  keys: [["token"]],
  request(metric, credentials) {
    const held = keysOf(externalmetrics, metric, credentials);
    if (!held.ok) return held;
    const [, namespace = "default", name, parameters = ""] = QUERY.exec(metric.query) ?? [];
    const asked = new URLSearchParams(parameters);
    const labelSelector = asked.get("labelSelector") ?? undefined;
    if (name === undefined || /^(\.|%2e){1,2}$/i.test(name) || [...asked.keys()].some((key) => key !== "labelSelector")) return { ok: false, field: "spec.query", why: "is not of the form NAMESPACE/METRIC?labelSelector=NAME=VALUE" };
    if (metric.address === "") {
      if (credentials !== undefined) return { ok: false, field: "spec.provider.address", why: "is missing: a token is for another API server; the engine asks its own with its own rights, without a Secret" };
      return { ok: true, list: { resource: { group: GROUP, version: VERSION, plural: name, kind: "ExternalMetricValue" }, namespace, labelSelector } };
    }
    const url = new URL(metric.address);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/apis/${GROUP}/${VERSION}/namespaces/${namespace}/${name}`;
    if (labelSelector !== undefined) url.searchParams.set("labelSelector", labelSelector);
    const authorized: Record<string, string> = held.values.token === undefined ? {} : { Authorization: `Bearer ${held.values.token}` };
    return { ok: true, request: { method: "GET", url: url.toString(), headers: { Accept: "application/json", ...metric.headers, ...authorized } } };
  },
  read(response) {
    const said = (answer: unknown): unknown => (isMap(answer) ? answer.message : "");
    const read = jsonOf(TITLE, response, said);
    // The metric is what is not found, more often than the API.
    if (!read.ok) return response.status === 404 && read.reading.kind === "error" ? failed(read.reading.why) : read.reading;
    if (!isMap(read.answer)) return foreign(TITLE);
    if (read.answer.kind === "Status") return refused(TITLE, Number(read.answer.code), textOf(read.answer.message));
    if (!Array.isArray(read.answer.items)) return foreign(TITLE);
    const items = listOf(read.answer.items);
    if (items.length === 0) return { kind: "no-data", why: "there is no such metric with these labels" };
    if (items.length > 1) return several(items.length, "items", "choose one by its labels");
    const [item] = items;
    return isMap(item) ? quantityOf(item.value) : foreign(TITLE);
  },
};

function quantityOf(value: unknown): Reading {
  if (typeof value !== "string") return value === undefined || value === null ? { kind: "no-data", why: "the item has no value" } : foreign(TITLE);
  const [, amount, exponent = "", suffix = ""] = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(n|u|m|k|M|G|T|P|E|[KMGTPE]i))?$/.exec(value.trim()) ?? [];
  if (amount === undefined) return failed("the value is not a quantity such as 30, 1500m or 2k");
  return numberOf(Number(`${amount}${exponent}`) * (SCALES[suffix] ?? Number.NaN));
}
