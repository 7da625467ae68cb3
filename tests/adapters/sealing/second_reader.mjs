// A reader of sealed things written from docs/sealing.md alone, on Node's own crypto.
// Reads the known answers from stdin and prints what it opened, as JSON.
import { createDecipheriv, createHash, createHmac, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

const utf8 = (text) => Buffer.from(text, "utf8");
const hex = (text) => Buffer.from(text, "hex");

function number(value, size) {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out.subarray(8 - size);
}

const frame = (...parts) =>
  Buffer.concat([number(parts.length, 4), ...parts.map((p) => number(p.length, 4)), ...parts]);

function expand(key, info, length) {
  let block = Buffer.alloc(0);
  let out = Buffer.alloc(0);
  for (let counter = 1; out.length < length; counter += 1) {
    block = createHmac("sha256", key).update(block).update(info).update(number(counter, 1)).digest();
    out = Buffer.concat([out, block]);
  }
  return out.subarray(0, length);
}

function openBox(root, label, associatedData, box) {
  const okm = expand(root, Buffer.concat([utf8(label), box.subarray(0, 32)]), 48);
  if (!timingSafeEqual(okm.subarray(32), box.subarray(32, 48))) throw new Error("commitment");
  const cipher = createDecipheriv("aes-256-gcm", okm.subarray(0, 32), box.subarray(48, 60));
  cipher.setAAD(associatedData);
  cipher.setAuthTag(box.subarray(box.length - 16));
  return Buffer.concat([cipher.update(box.subarray(60, box.length - 16)), cipher.final()]);
}

function deliveryDigest(delivery) {
  const sorted = (texts) => texts.map(utf8).sort(Buffer.compare);
  const names = sorted(Object.keys(delivery.settings));
  const settings = names.flatMap((name) => [name, utf8(delivery.settings[name.toString()])]);
  const framed = frame(
    utf8("regcred-delivery-v1"),
    utf8(delivery.provider),
    delivery.registry_url === null ? frame() : frame(utf8(delivery.registry_url)),
    frame(...sorted(delivery.scopes)),
    utf8(delivery.username),
    frame(...settings),
  );
  return createHash("sha256").update(framed).digest();
}

function openRecord(c) {
  const record = hex(c.record);
  if (record.length < 81 || record.length > 16465) throw new Error("length");
  if (record[0] !== 1 || record.readUInt32BE(1) !== c.generation) throw new Error("head");
  const bound = frame(
    utf8("regcred-record-v1"),
    Buffer.concat([record.subarray(0, 5), number(c.secret_version, 8)]),
    utf8(c.project_id),
    utf8(c.credential_id),
    utf8(c.field),
    utf8(c.delivery.username),
    deliveryDigest(c.delivery),
  );
  return openBox(hex(c.seed), "regcred-record-v1", bound, record.subarray(5));
}

function unwrap(c) {
  const wrapped = hex(c.wrapped);
  if (wrapped.length !== 109 || wrapped[0] !== 1) throw new Error("wrapped");
  const parts = [`regcred-${c.purpose}`, c.subject].map(utf8);
  const bound = frame(...parts, number(c.generation, 4), utf8(c.kid), number(1, 1));
  return openBox(hex(c.key), "regcred-wrap-v1", bound, wrapped.subarray(1));
}

function keyRowStamp(serviceKey, row) {
  const key = expand(hex(serviceKey), utf8("regcred-service-v1api-key-row"), 32);
  const framed = frame(
    utf8("regcred-api-key-v1"),
    utf8(row.id),
    hex(row.digest),
    utf8(row.project_id),
    utf8(row.role),
    number(row.operator, 1),
    frame(...row.image_patterns.map(utf8)),
    row.expires_at === null ? frame() : frame(utf8(String(row.expires_at))),
    number(row.disabled, 1),
    utf8(String(row.version)),
  );
  return createHmac("sha256", key).update(framed).digest();
}

const known = JSON.parse(readFileSync(0, "utf8"));
const opened = {
  records: known.records.map((c) => openRecord(c).toString("hex")),
  wrapped_keys: known.wrapped_keys.map((c) => unwrap(c).toString("hex")),
  key_rows: known.service.key_rows.map((row) =>
    keyRowStamp(known.service.service_key, row).toString("hex"),
  ),
};
process.stdout.write(JSON.stringify(opened));
