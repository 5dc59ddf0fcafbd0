// What should the engine's copy of the target look like, and which fields of the target itself does the engine set? The copy is rendered from a
// revision that is stored before it, never from what the target is by then, and the same revision renders the same pod template, so that nothing rolls without a cause.
import { defined, isMap, map, number, texts, type Json } from "../../crds/json.ts";
import { HANDS_OFF, MARKS, ORIGIN, REVISION, TOOLKIT } from "../../crds/marks.ts";
import type { KubeObject } from "../ports.ts";
import { templateHash } from "./canonical.ts";
import { configsDigest, renamedConfigs, revisionHash, type ConfigKey, type Configs } from "./configs.ts";
import { selectorLabel, type SelectorLabel } from "./deployment.ts";
import { PROMOTED_FIELDS, revisionOf, type StoredRevision } from "./revisions.ts";

export interface PrimaryIntent {
  /** The live target: gives name, namespace, metadata. */
  target: KubeObject;
  label: SelectorLabel;
  revision: StoredRevision;
  /** Names of the copies that the primary reads in place of what the target reads. */
  copies: ReadonlyMap<ConfigKey, string>;
  /** Undefined keeps what is found. */
  replicas: number | undefined;
  found: KubeObject | undefined;
  /** Which copy of the target: the one that serves, or the one that is kept of the revision before. */
  role?: "primary" | "previous";
  /** Prefixes of the labels and annotations of the target that its copy gets; "*" is all. */
  includeLabelPrefixes: readonly string[];
}

/** Put on pod templates by Flagger at every promotion; says nothing. */
const FLAGGER_ID = "flagger-id";
/** On pod templates of primaries that read copies: other contents are to be read by new pods. */
const CONFIGS = `${MARKS}configs`;

/** Annotations that belong to one object and mislead on a copy of it. */
const NEVER_COPIED = ["kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/", "argocd.argoproj.io/", MARKS];

export function primaryName(target: string): string {
  return `${target}-primary`;
}

export function previousName(target: string): string {
  return `${target}-previous`;
}

export function primaryLabel(label: SelectorLabel, role: "primary" | "previous" = "primary"): SelectorLabel {
  return { key: label.key, value: `${label.value}-${role}` };
}

/** The target's label as its primary tells it, for when the target is gone. */
export function labelOfPrimary(primary: KubeObject | undefined): SelectorLabel | undefined {
  const label = primary === undefined ? undefined : selectorLabel(primary);
  return label?.value.endsWith("-primary") === true ? { key: label.key, value: label.value.slice(0, -"-primary".length) } : undefined;
}

export function renderPrimary(intent: PrimaryIntent): KubeObject {
  const { target, revision, found, role = "primary" } = intent;
  const label = primaryLabel(intent.label, role);
  const foundSpec = map(found?.spec);
  // A selector cannot be changed once it is there; the pods have to carry whatever it asks for.
  const selector = isMap(foundSpec.selector) ? foundSpec.selector : { matchLabels: { [label.key]: label.value } };
  const wanted = withLabels(primaryTemplate(revision, intent.label, label, intent.copies), texts(selector.matchLabels));
  const spec = defined({
    ...foundSpec,
    replicas: target.kind === "Deployment" ? (intent.replicas ?? number(foundSpec.replicas) ?? 1) : undefined,
    selector,
    template: keepsTemplate(found, revision.hash, wanted) ? foundSpec.template : wanted,
    ...Object.fromEntries(PROMOTED_FIELDS.map((field) => [field, revision.fields[field]])),
  });
  return {
    ...found,
    apiVersion: found?.apiVersion ?? target.apiVersion,
    kind: found?.kind ?? target.kind,
    metadata: {
      ...found?.metadata,
      name: role === "previous" ? previousName(target.metadata.name) : primaryName(target.metadata.name),
      namespace: target.metadata.namespace,
      labels: { ...found?.metadata.labels, ...copied(target.metadata.labels, intent.includeLabelPrefixes), [label.key]: label.value },
      annotations: {
        ...(found === undefined ? { ...HANDS_OFF, ...copied(target.metadata.annotations, ["*"]), [ORIGIN]: "created" } : found.metadata.annotations),
        ...copied(target.metadata.annotations, intent.includeLabelPrefixes),
        [REVISION]: revision.hash,
      },
    },
    spec,
  };
}

/**
 * The revision that an existing primary runs, in terms of the target: what `renderPrimary` rewrote is turned back, so that the hashes of both compare.
 * @param originals names of what copies are of, by the copies' keys
 * @param configs what the copies hold, by the keys of the originals
 */
export function revisionOfPrimary(primary: KubeObject, label: SelectorLabel, originals: ReadonlyMap<ConfigKey, string> = new Map(), configs: Configs = {}): StoredRevision {
  const live = revisionOf(primary).template;
  const template = rewrite(live, primaryLabel(label), label, originals, (key) => key !== FLAGGER_ID && key !== CONFIGS);
  return revisionOf({ ...primary, spec: { ...map(primary.spec), template } }, configs);
}

/** The same, by the target's own name for it where the two differ only in what is never copied: another name for what already serves would be a release. */
export function adoptedRevision(primary: KubeObject, label: SelectorLabel, target: StoredRevision | undefined, originals: ReadonlyMap<ConfigKey, string>, configs: Configs): StoredRevision {
  const runs = revisionOfPrimary(primary, label, originals, configs);
  if (target === undefined) return runs;
  const copied = revisionHash(templateHash(rewrite(target.template, label, label, new Map(), () => true)), target.configs);
  return copied === runs.hash ? { ...runs, hash: target.hash, template: target.template } : runs;
}

/**
 * Keys that the API server defaults or an admission webhook adds are not drift: sending the template without them again would be answered by the same
 * addition for ever. A new revision is sent as it is, so that what it leaves out goes.
 */
function keepsTemplate(found: KubeObject | undefined, hash: string, wanted: Json): boolean {
  if (found === undefined) return false;
  const rendered = found.metadata.annotations?.[REVISION];
  return (rendered === hash || rendered === undefined) && covers(map(found.spec).template, withoutConfigsMark(wanted));
}

/** Every value of `wanted` is in `found`, with lists of the same length. */
function covers(found: unknown, wanted: unknown): boolean {
  if (wanted === null || wanted === undefined) return true;
  if (Array.isArray(wanted)) {
    if (!Array.isArray(found)) return wanted.length === 0 && found === undefined;
    return found.length === wanted.length && wanted.every((element, i) => covers(found[i], element));
  }
  if (!isMap(wanted)) return found === wanted;
  if (!isMap(found)) return (found === undefined || found === null) && Object.keys(wanted).length === 0;
  return Object.entries(wanted).every(([key, value]) => covers(found[key], value));
}

function primaryTemplate({ template, configs }: StoredRevision, from: SelectorLabel, to: SelectorLabel, copies: ReadonlyMap<ConfigKey, string>): Json {
  const rewritten = rewrite(template, from, to, copies, () => true);
  if (Object.keys(configs).length === 0) return rewritten;
  const metadata = map(rewritten.metadata);
  return { ...rewritten, metadata: { ...metadata, annotations: { ...texts(metadata.annotations), [CONFIGS]: configsDigest(configs) } } };
}

/** A primary that another engine rendered from the same contents lacks the mark, and its pods need not be made anew for it. */
function withoutConfigsMark(template: Json): Json {
  const metadata = map(template.metadata);
  return { ...template, metadata: { ...metadata, annotations: without(texts(metadata.annotations), (key) => key === CONFIGS) } };
}

/** Pod template with one label's value exchanged, in the labels and in the rules that keep the pods of one workload apart, and with other names of what it reads. */
function rewrite(template: Json, from: SelectorLabel, to: SelectorLabel, names: ReadonlyMap<ConfigKey, string>, keepsAnnotation: (key: string) => boolean): Json {
  const metadata = map(template.metadata);
  const labels = without(texts(metadata.labels), (key) => key.includes(TOOLKIT));
  const annotations = without(texts(metadata.annotations), (key) => key.includes(TOOLKIT) || !keepsAnnotation(key));
  return {
    ...template,
    metadata: defined({
      ...metadata,
      labels: { ...labels, [to.key]: to.value },
      annotations: Object.keys(annotations).length === 0 ? undefined : annotations,
    }),
    spec: renamedConfigs(rewritePodSpec(map(template.spec), from, to), (key) => names.get(key)),
  };
}

function withLabels(template: Json, labels: Record<string, string>): Json {
  const metadata = map(template.metadata);
  return { ...template, metadata: { ...metadata, labels: { ...texts(metadata.labels), ...labels } } };
}

/**
 * Only rules about the exchanged label change: the pods keep all other labels, so rules about those still find them. Rules that draw pods together,
 * and those about nodes, mean other workloads and stay.
 */
function rewritePodSpec(spec: Json, from: SelectorLabel, to: SelectorLabel): Json {
  const rewritten: Json = { ...spec };
  if (Array.isArray(spec.topologySpreadConstraints)) {
    rewritten.topologySpreadConstraints = spec.topologySpreadConstraints.map((term) => rewriteTerm(map(term), from, to));
  }
  const apart = map(map(spec.affinity).podAntiAffinity);
  if (Object.keys(apart).length > 0) {
    const required = apart.requiredDuringSchedulingIgnoredDuringExecution;
    const preferred = apart.preferredDuringSchedulingIgnoredDuringExecution;
    const podAntiAffinity = defined({
      ...apart,
      requiredDuringSchedulingIgnoredDuringExecution: Array.isArray(required) ? required.map((term) => rewriteTerm(map(term), from, to)) : undefined,
      preferredDuringSchedulingIgnoredDuringExecution: Array.isArray(preferred)
        ? preferred.map((weighted) => ({ ...map(weighted), podAffinityTerm: rewriteTerm(map(map(weighted).podAffinityTerm), from, to) }))
        : undefined,
    });
    rewritten.affinity = { ...map(spec.affinity), podAntiAffinity };
  }
  return rewritten;
}

function rewriteTerm(term: Json, from: SelectorLabel, to: SelectorLabel): Json {
  if (!isMap(term.labelSelector)) return term;
  const selector: Json = { ...term.labelSelector };
  const matchLabels = texts(selector.matchLabels);
  if (matchLabels[from.key] === from.value) selector.matchLabels = { ...matchLabels, [to.key]: to.value };
  if (Array.isArray(selector.matchExpressions)) {
    selector.matchExpressions = selector.matchExpressions.map((entry) => {
      const expression = map(entry);
      if (expression.key !== from.key || !Array.isArray(expression.values)) return expression;
      return { ...expression, values: expression.values.map((value: unknown) => (value === from.value ? to.value : value)) };
    });
  }
  return { ...term, labelSelector: selector };
}

function copied(entries: Record<string, string> | undefined, prefixes: readonly string[]): Record<string, string> {
  const wanted = (key: string): boolean => prefixes.some((prefix) => prefix !== "" && (prefix === "*" || key.startsWith(prefix)));
  return without(entries ?? {}, (key) => !wanted(key) || key.includes(TOOLKIT) || NEVER_COPIED.some((never) => key.startsWith(never)));
}

function without(entries: Record<string, string>, dropped: (key: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(entries).filter(([key]) => !dropped(key)));
}
