// Does an informer keep up with the cluster through everything that can end a watch, and is it silent while nothing happens?
import { describe, expect, test } from "@jest/globals";
import { Informer, type InformerOptions } from "../../../engine/adapters/informer.ts";
import type { KubeObject } from "../../../engine/ports.ts";
import { ManualClock, settled, silent } from "./manual-clock.ts";
import { pod, ScriptedTransport } from "./scripted-transport.ts";

const MINUTE = 60_000;

class Stage {
  readonly clock = new ManualClock();
  readonly server = new ScriptedTransport();
  readonly changes: string[] = [];
  readonly informer: Informer;
  private readonly stop = new AbortController();
  private ended: Promise<void> | undefined;

  constructor(options: Partial<InformerOptions> = {}) {
    this.informer = new Informer({
      transport: this.server, clock: this.clock, random: () => 0.5, log: silent, resource: { group: "", version: "v1", plural: "pods", kind: "Pod" },
      onChange: (before, after) => this.changes.push(`${shown(before)} -> ${shown(after)}`),
      ...options,
    });
  }

  async start(): Promise<this> {
    this.ended = this.informer.run(this.stop.signal);
    await settled();
    return this;
  }

  async end(): Promise<void> {
    this.stop.abort();
    await this.ended;
  }

  get names(): string[] {
    return this.informer.list().map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`);
  }

  /** Lets the watch grow old enough to count as a good one, then lets go of what was heard. */
  async good(): Promise<void> {
    await this.clock.pass(10_000);
    this.changes.length = 0;
    this.server.asked.length = 0;
  }
}

function shown(object: KubeObject | undefined): string {
  return object === undefined ? "-" : `${object.metadata.name}@${object.metadata.resourceVersion}`;
}

describe("list and watch", () => {
  test("pages are put together, objects get their kind, and managedFields are not kept", async () => {
    const stage = new Stage();
    stage.server.pageSize = 2;
    stage.server.objects = [1, 2, 3, 4, 5].map((n) => {
      const { apiVersion: _apiVersion, kind: _kind, ...item } = pod(`p${n}`, n, { managedFields: [{}], annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" } });
      return item as KubeObject;
    });
    expect(stage.informer.synced).toBe(false);
    await stage.start();
    expect(stage.informer.synced).toBe(true);
    expect(stage.server.count("list")).toBe(3);
    expect(stage.informer.list()).toHaveLength(5);
    const first = stage.informer.get("test", "p1");
    expect(first).toMatchObject({ apiVersion: "v1", kind: "Pod" });
    expect(first?.metadata.managedFields).toBeUndefined();
    expect(first?.metadata.annotations).toEqual({ "kubectl.kubernetes.io/last-applied-configuration": "{}" });
    await stage.end();
  });

  test("events change the cache, and the listener sees both sides", async () => {
    const stage = await new Stage().start();
    stage.server.watch?.send("ADDED", pod("a", 101));
    stage.server.watch?.send("MODIFIED", pod("a", 102));
    stage.server.watch?.send("DELETED", pod("a", 103));
    await settled();
    expect(stage.changes).toEqual(["- -> a@101", "a@101 -> a@102", "a@102 -> -"]);
    expect(stage.names).toEqual([]);
    await stage.end();
  });

  test("what is trimmed is not kept, and the selectors are asked for in lists and watches", async () => {
    const stage = await new Stage({ labelSelector: "app=a", fieldSelector: "metadata.name=a", trim: ({ apiVersion, kind, metadata }) => ({ apiVersion, kind, metadata }) }).start();
    stage.server.watch?.send("ADDED", { ...pod("a", 101), spec: { big: true } });
    await settled();
    expect(stage.informer.get("test", "a")).not.toHaveProperty("spec");
    for (const { query } of stage.server.asked) expect(query).toMatchObject({ labelSelector: "app=a", fieldSelector: "metadata.name=a" });
    await stage.end();
  });

  test("an hour in which nothing happens costs the renewals of the watch and nothing else", async () => {
    const stage = await new Stage().start();
    await stage.good();
    for (let minute = 0; minute < 60; minute += 1) {
      stage.server.watch?.send("BOOKMARK", pod("", 200 + minute));
      await stage.clock.pass(MINUTE);
      if (minute % 10 === 9) stage.server.watch?.end();
    }
    await settled();
    expect(stage.server.count("list")).toBe(0);
    expect(stage.server.count("watch")).toBe(6);
    // Each renewal asks for more than a minute and goes on from the last bookmark.
    for (const { query } of stage.server.asked) expect(Number(query.timeoutSeconds)).toBeGreaterThan(300);
    expect(stage.server.asked[1]?.query.resourceVersion).toBe("219");
    expect(stage.changes).toEqual([]);
    await stage.end();
  });
});

describe("a watch that ends", () => {
  test("a broken connection is resumed from the last version heard, and nothing is told twice", async () => {
    const stage = await new Stage().start();
    stage.server.watch?.send("ADDED", pod("a", 101));
    await stage.good();
    stage.server.watch?.break();
    await stage.clock.pass(1_000);
    expect(stage.server.asked).toHaveLength(1);
    expect(stage.server.asked[0]).toMatchObject({ verb: "watch", query: { resourceVersion: "101" } });
    stage.server.watch?.send("MODIFIED", pod("a", 105));
    await settled();
    expect(stage.changes).toEqual(["a@101 -> a@105"]);
    await stage.end();
  });

  test.each(["as the status of the answer", "as an event"])("410 %s lists again; what is gone meanwhile is told as a deletion", async (how) => {
    const stage = new Stage();
    stage.server.objects = [pod("a", 50), pod("b", 60)];
    await stage.start();
    await stage.good();
    stage.server.objects = [pod("b", 60), pod("c", 190)];
    stage.server.version = 200;
    if (how === "as an event") stage.server.watch?.send("ERROR", { kind: "Status", code: 410 });
    else {
      stage.server.watches.push(410);
      stage.server.watch?.end();
    }
    await settled();
    expect(stage.changes).toEqual(["a@50 -> -", "- -> c@190"]);
    expect(stage.names).toEqual(["b@60", "c@190"]);
    expect(stage.server.asked.at(-1)).toMatchObject({ verb: "watch", query: { resourceVersion: "200" } });
    await stage.end();
  });

  test.each([
    ["cut in the middle", '{"type":"DELETED","object":{"metada'],
    ["of another protocol", "<html>502 Bad Gateway</html>"],
    ["without an object", '{"type":"DELETED"}'],
    ["of a type that nobody knows", JSON.stringify({ type: "VANISHED", object: pod("a", 150) })],
    ["older than the one before", JSON.stringify({ type: "MODIFIED", object: pod("z", 90) })],
  ])("a line %s may have been a deletion, so the list is asked", async (_, line) => {
    const stage = new Stage();
    stage.server.objects = [pod("a", 50)];
    await stage.start();
    await stage.good();
    stage.server.objects = [];
    stage.server.version = 160;
    const watch = stage.server.watch;
    watch?.line(line);
    await settled();
    expect(watch?.left).toBe(true);
    expect(stage.changes).toEqual(["a@50 -> -"]);
    await stage.end();
  });

  test("a server that sends rubbish at once, every time, is asked ever more rarely", async () => {
    const stage = await new Stage().start();
    await stage.good();
    for (let second = 0; second < 600; second += 1) {
      stage.server.watch?.line("rubbish");
      await stage.clock.pass(1_000);
    }
    expect(stage.server.count("list")).toBeLessThan(40);
    expect(stage.server.count("list")).toBeGreaterThan(15);
    await stage.end();
  });

  test("it never gives up: after an hour without an API server it goes on within half a minute", async () => {
    const stage = await new Stage().start();
    await stage.good();
    stage.server.watch?.break();
    const refused = (): Error => Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
    for (let n = 0; n < 200; n += 1) stage.server.watches.push(refused());
    await stage.clock.pass(60 * MINUTE);
    expect(stage.server.count("watch")).toBeLessThan(200);
    expect(stage.informer.synced).toBe(false);
    stage.server.watches.length = 0;
    await stage.clock.pass(30_000);
    stage.server.watch?.send("ADDED", pod("a", 300));
    await settled();
    expect(stage.informer.synced).toBe(true);
    expect(stage.names).toEqual(["a@300"]);
    await stage.end();
  });

  test("a watch that the server does not end in time leads nowhere and is let go", async () => {
    const stage = await new Stage().start();
    const silentWatch = stage.server.watch;
    await stage.clock.pass(13 * MINUTE);
    expect(silentWatch?.left).toBe(true);
    expect(stage.server.opened).toHaveLength(2);
    await stage.end();
  });

  test("an aborted informer leaves no timer behind", async () => {
    const stage = await new Stage().start();
    await stage.end();
    expect(stage.server.watch?.left).toBe(true);
    expect(stage.clock.waiting).toBe(0);
  });
});

describe("a list that fails", () => {
  test("a page whose snapshot has expired begins anew, and half a list is never taken for a whole one", async () => {
    const stage = new Stage();
    stage.server.pageSize = 1;
    stage.server.objects = [pod("a", 50), pod("b", 60)];
    await stage.start();
    await stage.good();
    stage.server.lists.push({ body: JSON.stringify({ metadata: { resourceVersion: "150", continue: "1" }, items: [pod("a", 50)] }) }, { status: 410 });
    stage.server.version = 160;
    stage.server.watch?.send("ERROR", { code: 410 });
    await stage.clock.pass(2_000);
    expect(stage.changes).toEqual([]);
    expect(stage.names).toEqual(["a@50", "b@60"]);
    await stage.end();
  });

  test("a kind that is not served holds nobody up, is found when it comes, and says so", async () => {
    let served = 0;
    const stage = new Stage({ onServed: () => (served += 1) });
    for (let n = 0; n < 5; n += 1) stage.server.lists.push({ status: 404 });
    stage.server.objects = [pod("a", 50)];
    await stage.start();
    expect(stage.informer).toMatchObject({ synced: true, missing: true });
    await stage.clock.pass(MINUTE);
    expect(stage.informer.missing).toBe(false);
    expect(stage.names).toEqual(["a@50"]);
    expect(served).toBe(2);
    await stage.end();
  });

  test("objects of a kind that ceased to be served are gone after a grace, not at once", async () => {
    const stage = new Stage();
    stage.server.objects = [pod("a", 50)];
    await stage.start();
    await stage.good();
    stage.server.watches.push(404);
    for (let n = 0; n < 50; n += 1) stage.server.lists.push({ status: 404 });
    stage.server.watch?.end();
    await stage.clock.pass(30_000);
    expect(stage.names).toEqual(["a@50"]);
    await stage.clock.pass(2 * MINUTE);
    expect(stage.changes).toEqual(["a@50 -> -"]);
    await stage.end();
  });

  test("an API server restored from a backup is believed, although all it says is old", async () => {
    const stage = new Stage();
    stage.server.version = 9_000;
    stage.server.objects = [pod("a", 8_000), pod("b", 8_500)];
    await stage.start();
    await stage.good();
    stage.server.version = 700;
    stage.server.objects = [pod("a", 600)];
    // A real API server takes the newer version without a word; its bookmark gives it away.
    stage.server.watch?.send("BOOKMARK", pod("", 700));
    await settled();
    expect(stage.names).toEqual(["a@600"]);
    await stage.end();
  });
});

describe("our own writes", () => {
  test("what a write returned is in the cache at once, and its event is not told again", async () => {
    const stage = new Stage();
    stage.server.objects = [pod("a", 50)];
    await stage.start();
    await stage.good();
    stage.informer.absorb(pod("a", 110));
    expect(stage.names).toEqual(["a@110"]);
    stage.server.watch?.send("MODIFIED", pod("a", 105));
    stage.server.watch?.send("MODIFIED", pod("a", 110));
    await settled();
    expect(stage.names).toEqual(["a@110"]);
    expect(stage.changes).toEqual([]);
    stage.informer.absorb(pod("a", 104));
    expect(stage.names).toEqual(["a@110"]);
    await stage.end();
  });

  test("an answer that arrives after the object's deletion was heard does not bring it back", async () => {
    const stage = new Stage();
    stage.server.objects = [pod("a", 50)];
    await stage.start();
    stage.server.watch?.send("MODIFIED", pod("a", 110));
    stage.server.watch?.send("DELETED", pod("a", 111));
    await settled();
    stage.informer.absorb(pod("a", 110));
    expect(stage.names).toEqual([]);
    await stage.end();
  });

  test("an object that was made while the list was under way is not taken for deleted", async () => {
    const stage = await new Stage().start();
    await stage.good();
    stage.informer.absorb(pod("new", 155));
    stage.server.version = 150;
    stage.server.watch?.send("ERROR", { code: 410 });
    await settled();
    expect(stage.server.count("list")).toBe(1);
    expect(stage.names).toEqual(["new@155"]);
    stage.server.watch?.send("ADDED", pod("new", 155));
    await settled();
    expect(stage.changes).toEqual([]);
    await stage.end();
  });

  test("a late deletion does not take the namesake that was made since", async () => {
    const stage = new Stage();
    stage.server.objects = [pod("a", 50)];
    await stage.start();
    stage.informer.absorb(pod("a", 120, { uid: "second" }));
    stage.server.watch?.send("DELETED", pod("a", 119));
    await settled();
    expect(stage.names).toEqual(["a@120"]);
    stage.informer.forget("test", "a", "another uid");
    expect(stage.names).toEqual(["a@120"]);
    stage.informer.forget("test", "a", "second");
    expect(stage.names).toEqual([]);
    await stage.end();
  });
});

test("a listener that breaks stops nothing", async () => {
  const stage = new Stage({
    onChange: () => {
      throw new Error("a bug");
    },
  });
  stage.server.objects = [pod("a", 50)];
  await stage.start();
  stage.server.watch?.send("ADDED", pod("b", 101));
  await settled();
  expect(stage.names).toEqual(["a@50", "b@101"]);
  expect(stage.server.asked).toHaveLength(2);
  await stage.end();
});

describe("what is nobody's", () => {
  const owner = ({ metadata }: KubeObject): string | undefined => metadata.annotations?.owner;

  test("is kept as text until it is asked for, and whole from then on; what has an owner is found by it", async () => {
    const stage = new Stage({ owner });
    stage.server.objects = [pod("mine", 1, { annotations: { owner: "me" } }), pod("foreign", 2)];
    await stage.start();
    expect(stage.informer.owned("me").map(({ metadata }) => metadata.name)).toEqual(["mine"]);
    expect(stage.informer.owned().map(({ metadata }) => metadata.name)).toEqual(["mine"]);
    const asked = stage.informer.get("test", "foreign");
    expect(asked?.metadata.resourceVersion).toBe("2");
    expect(stage.informer.get("test", "foreign")).toBe(asked);
    expect(stage.names.sort()).toEqual(["foreign@2", "mine@1"]);
    await stage.end();
  });

  test("is absorbed and forgotten by version and uid as anything else, and may change its owner", async () => {
    const stage = new Stage({ owner });
    stage.server.objects = [pod("one", 5)];
    await stage.start();
    stage.informer.absorb(pod("one", 4, { annotations: { owner: "me" } }));
    expect(stage.informer.owned("me")).toEqual([]);
    stage.informer.absorb(pod("one", 6, { annotations: { owner: "me" } }));
    expect(stage.informer.owned("me")).toHaveLength(1);
    stage.informer.absorb(pod("one", 7, { annotations: { owner: "you" } }));
    expect([stage.informer.owned("me").length, stage.informer.owned("you").length]).toEqual([0, 1]);
    stage.informer.forget("test", "one", "another uid");
    expect(stage.informer.owned("you")).toHaveLength(1);
    stage.informer.forget("test", "one", stage.informer.get("test", "one")?.metadata.uid ?? "");
    expect([stage.names, stage.informer.owned()]).toEqual([[], []]);
    await stage.end();
  });
});
