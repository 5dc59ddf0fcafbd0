// Does the store keep the promises of a Kubernetes API server: versions, conflicts, generations, deletion?
import { beforeEach, describe, expect, test } from "@jest/globals";
import { ApiError } from "../../../sandbox/api/errors.ts";
import { ApiStore } from "../../../sandbox/api/store.ts";
import { ManualClock, seeded } from "./manual-clock.ts";
import type { KubeObject, StoreEvent } from "../../../sandbox/api/types.ts";

let clock: ManualClock;
let store: ApiStore;

beforeEach(() => {
  clock = new ManualClock();
  store = new ApiStore({ clock, random: seeded(1) });
});

function configMap(name: string, meta: Partial<KubeObject["metadata"]> = {}): KubeObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default", ...meta }, data: { a: "1" } };
}

function refusal(action: () => unknown): { status: number; reason: string; message: string } {
  try {
    action();
  } catch (error) {
    if (error instanceof ApiError) return { status: error.status, reason: error.reason, message: error.message };
    throw error;
  }
  throw new Error("was not refused");
}

function ownedBy(owner: KubeObject, block = false): Partial<KubeObject["metadata"]> {
  const { name, uid } = owner.metadata;
  return { ownerReferences: [{ apiVersion: owner.apiVersion, kind: owner.kind, name, uid: uid ?? "", blockOwnerDeletion: block }] };
}

describe("writes", () => {
  test("a created object carries what the server owns and is handed out frozen", () => {
    const created = store.create("configmaps", configMap("one"));
    expect(created.metadata).toMatchObject({ creationTimestamp: "2026-01-01T00:00:00Z", uid: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(Object.isFrozen(created.data)).toBe(true);
    expect(store.get("configmaps", "default", "one")).toBe(created);
  });

  test("generateName gives each object its own name", () => {
    const names = [1, 2, 3].map(() => store.create("configmaps", configMap("", { generateName: "run-" })).metadata.name);
    expect(new Set(names).size).toBe(3);
    expect(names.every((name) => /^run-[a-z0-9]{5}$/.test(name))).toBe(true);
  });

  test("the second of two writers from the same version is refused", () => {
    const read = store.create("configmaps", configMap("one"));
    store.update("configmaps", { ...read, data: { a: "2" } });
    expect(refusal(() => store.update("configmaps", { ...read, data: { a: "3" } }))).toMatchObject({ status: 409, reason: "Conflict" });
    expect(store.get("configmaps", "default", "one")?.data).toEqual({ a: "2" });
  });

  test("a write that changes nothing moves no resourceVersion and tells nobody", () => {
    const read = store.create("configmaps", configMap("one"));
    const seen: StoreEvent[] = [];
    store.subscribe((event) => seen.push(event));
    expect(store.update("configmaps", { ...read })).toBe(read);
    expect(seen).toEqual([]);
  });

  test.each([
    ["a taken name", () => store.create("configmaps", configMap("one")), 409, "AlreadyExists"],
    ["an absent object", () => store.update("configmaps", configMap("two")), 404, "NotFound"],
    ["an absent namespace", () => store.create("configmaps", configMap("one", { namespace: "nowhere" })), 404, "NotFound"],
    ["a name that is none", () => store.create("configmaps", configMap("One!")), 422, "Invalid"],
    ["another uid", () => store.update("configmaps", configMap("one", { uid: "x" })), 409, "Conflict"],
  ])("%s is refused", (_what, action, status, reason) => {
    store.create("configmaps", configMap("one"));
    expect(refusal(action)).toMatchObject({ status, reason });
  });

  test("a dry run answers and leaves nothing behind", () => {
    store.create("configmaps", configMap("one"), { dryRun: true });
    expect(store.get("configmaps", "default", "one")).toBeUndefined();
  });
});

describe("events", () => {
  test("a listener that writes is heard after the change that it answers", () => {
    const seen: string[] = [];
    store.subscribe((event) => {
      if (event.object.metadata.name === "first") store.create("configmaps", configMap("second"));
    });
    store.subscribe((event) => seen.push(`${event.type} ${event.object.metadata.name}`));
    store.create("configmaps", configMap("first"));
    expect(seen).toEqual(["ADDED first", "ADDED second"]);
  });

  test("history is bounded and says so", () => {
    store = new ApiStore({ clock, random: seeded(1), historyLimit: 10 });
    const start = store.revision;
    for (let index = 0; index < 30; index += 1) store.create("configmaps", configMap(`c${index}`));
    expect(refusal(() => store.history.since(start, store.revision))).toMatchObject({ status: 410, reason: "Expired" });
    expect(store.history.since(store.revision - 3, store.revision)).toHaveLength(3);
  });

  test("a snapshot of the past is what was there then", () => {
    store.create("configmaps", configMap("kept"));
    const changed = store.create("configmaps", configMap("changed"));
    store.create("configmaps", configMap("deleted"));
    const then = store.revision;
    store.update("configmaps", { ...changed, data: { a: "9" } });
    store.delete("configmaps", "default", "deleted");
    store.create("configmaps", configMap("added"));
    expect(store.listAt("configmaps", "default", then).map((object) => [object.metadata.name, object.data])).toEqual([
      ["changed", { a: "1" }], ["deleted", { a: "1" }], ["kept", { a: "1" }],
    ]);
  });
});

describe("deletion", () => {
  test("a finalizer holds the object until it is taken off", () => {
    store.create("configmaps", configMap("held", { finalizers: ["test.io/hold"] }));
    store.delete("configmaps", "default", "held");
    const held = store.get("configmaps", "default", "held");
    expect(held?.metadata.deletionTimestamp).toBe("2026-01-01T00:00:00Z");
    store.update("configmaps", { ...held!, metadata: { ...held!.metadata, finalizers: [] } });
    expect(store.get("configmaps", "default", "held")).toBeUndefined();
  });

  test("a deleted object takes no new finalizer", () => {
    store.create("configmaps", configMap("held", { finalizers: ["test.io/hold"] }));
    store.delete("configmaps", "default", "held");
    const held = store.get("configmaps", "default", "held")!;
    const again = { ...held, metadata: { ...held.metadata, finalizers: ["test.io/hold", "test.io/more"] } };
    expect(refusal(() => store.update("configmaps", again))).toMatchObject({ status: 422, reason: "Invalid" });
  });

  test("dependents follow their owner a moment later, and theirs too", () => {
    const owner = store.create("configmaps", configMap("owner"));
    const child = store.create("configmaps", configMap("child", ownedBy(owner)));
    store.create("secrets", { ...configMap("grandchild", ownedBy(child)), kind: "Secret", data: {} });
    store.delete("configmaps", "default", "owner");
    expect(store.get("configmaps", "default", "child")).toBeDefined();
    clock.pass(1);
    expect(store.list("configmaps", "default")).toEqual([]);
    expect(store.list("secrets", "default")).toEqual([]);
  });

  test("a dependent of two owners outlives one of them", () => {
    const first = store.create("configmaps", configMap("first"));
    const second = store.create("configmaps", configMap("second"));
    const both = { ownerReferences: [...ownedBy(first).ownerReferences!, ...ownedBy(second).ownerReferences!] };
    store.create("configmaps", configMap("child", both));
    store.delete("configmaps", "default", "first");
    clock.pass(1);
    expect(store.get("configmaps", "default", "child")?.metadata.ownerReferences?.map((owner) => owner.name)).toEqual(["second"]);
  });

  test("an owner that never was is no owner", () => {
    store.create("configmaps", configMap("child", { ownerReferences: [{ apiVersion: "v1", kind: "ConfigMap", name: "ghost", uid: "none" }] }));
    clock.pass(1);
    expect(store.get("configmaps", "default", "child")).toBeUndefined();
  });

  test("foreground deletion waits for dependents that block, orphaning lets them go", () => {
    const owner = store.create("configmaps", configMap("owner"));
    store.create("configmaps", configMap("child", { ...ownedBy(owner, true), finalizers: ["test.io/hold"] }));
    store.remove("configmaps", "default", "owner", { propagationPolicy: "Foreground" });
    clock.pass(1);
    expect(store.get("configmaps", "default", "owner")?.metadata.finalizers).toEqual(["foregroundDeletion"]);
    const child = store.get("configmaps", "default", "child")!;
    store.update("configmaps", { ...child, metadata: { ...child.metadata, finalizers: [] } });
    clock.pass(1);
    expect(store.get("configmaps", "default", "owner")).toBeUndefined();

    const lonely = store.create("configmaps", configMap("lonely"));
    store.create("configmaps", configMap("orphan", ownedBy(lonely)));
    store.remove("configmaps", "default", "lonely", { propagationPolicy: "Orphan" });
    clock.pass(1);
    expect(store.get("configmaps", "default", "lonely")).toBeUndefined();
    expect(store.get("configmaps", "default", "orphan")?.metadata.ownerReferences).toBeUndefined();
  });

  test("a namespace takes its content along and waits for what is held", () => {
    store.create("namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "gone" } });
    store.create("configmaps", configMap("free", { namespace: "gone" }));
    store.create("configmaps", configMap("held", { namespace: "gone", finalizers: ["test.io/hold"] }));
    store.delete("namespaces", undefined, "gone");
    expect(refusal(() => store.create("configmaps", configMap("late", { namespace: "gone" })))).toMatchObject({ status: 403, reason: "Forbidden" });
    clock.pass(1);
    expect(store.list("configmaps", "gone").map((object) => object.metadata.name)).toEqual(["held"]);
    expect(store.get("namespaces", undefined, "gone")?.status).toEqual({ phase: "Terminating" });
    const held = store.get("configmaps", "gone", "held")!;
    store.update("configmaps", { ...held, metadata: { ...held.metadata, finalizers: [] } });
    clock.pass(1);
    expect(store.get("namespaces", undefined, "gone")).toBeUndefined();
  });

  test.each([
    ["uid", { uid: "another" }],
    ["resourceVersion", { resourceVersion: "1" }],
  ])("a delete with another %s is refused", (_what, options) => {
    store.create("configmaps", configMap("one"));
    expect(refusal(() => store.remove("configmaps", "default", "one", options))).toMatchObject({ status: 409, reason: "Conflict" });
  });
});
