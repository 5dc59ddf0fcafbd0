// What does the API know about one kind of object? Built-in kinds and custom resources are described alike, so that the
// store and the HTTP layer need no list of kinds. It must never hold an object.
import type { FieldError } from "./errors.ts";
import type { KubeObject } from "./types.ts";

export interface ResourceType {
  /** Plural and group as kubectl writes them: "pods", "deployments.apps". */
  id: string;
  group: string;
  /** Every served version, the preferred one first. */
  versions: readonly string[];
  storageVersion: string;
  kind: string;
  plural: string;
  singular: string;
  shortNames: readonly string[];
  categories: readonly string[];
  namespaced: boolean;
  hasStatus: boolean;
  scale?: ScalePaths;
  /** Which fields move metadata.generation: the spec, everything beside metadata and status, or none. */
  generation: "spec" | "all" | "none";
  /** A PUT without a resourceVersion is taken as "whatever is there" by most built-in kinds and refused by the rest. */
  unconditionalUpdate: boolean;
  /** A DELETE that removes at once answers with the object (pods, services) instead of a Status. */
  returnsDeleted: boolean;
  custom: boolean;
  /** Nodes may be born with a status; everything else starts with none of the client's. */
  keepsStatusOnCreate?: boolean;
  /** Put on every object of the kind when it is deleted; a controller of the sandbox takes it off. */
  cleanupFinalizer?: string;
  /** Fills defaults into an object that the caller owns. `old` is absent on create. */
  defaulted(object: KubeObject, context: AdmissionContext): void;
  /** What is wrong with it; runs after `defaulted`. */
  validate(object: KubeObject, old: KubeObject | undefined, context: AdmissionContext): FieldError[];
  /** The unknown or duplicate field paths of a body, for fieldValidation; drops them from `object`. */
  prune?(object: KubeObject, version: string): string[];
  columns: readonly Column[];
  /** The columns of one version, where versions differ. */
  columnsFor?(version: string): readonly Column[];
  listKind?: string;
  /** Fields beside the name and namespace that a field selector may name. */
  selectableFields?: readonly string[];
  /** A PUT to a name that is free creates the object. */
  createOnUpdate?: boolean;
  /** The shape that a strategic merge patch follows; custom kinds have none and take no such patch. */
  shape?: string;
}

export interface AdmissionContext {
  operation: "create" | "update";
  version: string;
  subresource?: "status";
  old?: KubeObject;
  nowMs: number;
  /** The objects of another resource; for allocations such as cluster IPs. */
  list(resource: string): readonly KubeObject[];
}

export interface ScalePaths {
  specReplicas: string;
  statusReplicas: string;
  labelSelector?: string;
}

export type CellValue = string | number | boolean | null;

export interface Column {
  name: string;
  type: string;
  format?: string;
  description?: string;
  /** 0 is always shown, above that only with -o wide. */
  priority: number;
  cell(object: KubeObject, nowMs: number): CellValue;
}

export function apiVersionOf(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Every kind that is served now. Custom resources come and go with their definitions. */
export class ResourceRegistry {
  private readonly byId = new Map<string, ResourceType>();

  add(type: ResourceType): void {
    this.byId.set(type.id, type);
  }

  remove(id: string): void {
    this.byId.delete(id);
  }

  get(id: string): ResourceType | undefined {
    return this.byId.get(id);
  }

  all(): readonly ResourceType[] {
    return [...this.byId.values()];
  }

  find(group: string, version: string, plural: string): ResourceType | undefined {
    const type = this.byId.get(group === "" ? plural : `${plural}.${group}`);
    return type !== undefined && type.versions.includes(version) ? type : undefined;
  }

  findKind(apiVersion: string, kind: string): ResourceType | undefined {
    const slash = apiVersion.indexOf("/");
    const group = slash < 0 ? "" : apiVersion.slice(0, slash);
    const version = apiVersion.slice(slash + 1);
    return this.all().find((type) => type.group === group && type.kind === kind && type.versions.includes(version));
  }
}
