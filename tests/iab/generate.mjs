// Consent strings, and what the IAB's own libraries read in them: `node generate.mjs` prints them.
// The same strings come out every time. What is in tests/data/consent_strings.json came from here.
import { GVL, TCModel, TCString, Segment, PurposeRestriction } from "@iabtcf/core";
import { GppModel } from "@iabgpp/cmpapi";

const VENDORS = 400;
const MADE = new Date("2026-03-02T00:00:00Z");
const STATES = ["ca", "va", "co", "ut", "ct", "fl", "mt", "or", "tx", "de", "ia", "ne", "nh", "nj"]
  .concat(["tn", "mn", "md", "in", "ky", "ri"]);
const OPT_OUTS = ["SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut"];

let seed = 20260302;
function random() { // mulberry32
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
}
const maybe = (share) => random() < share;
const some = (most, share) => Array.from({ length: most }, (_, n) => n + 1).filter(() => maybe(share));
const flags = (most, share) => Array.from({ length: most }, () => maybe(share));
const one = (list) => list[Math.floor(random() * list.length)];

function vendorList() {
  const vendors = {};
  for (let id = 1; id <= VENDORS; id++) {
    vendors[id] = {
      id, name: `Vendor ${id}`, purposes: [1, 3], legIntPurposes: [7, 9], flexiblePurposes: [2, 7],
      specialPurposes: [1], features: [], specialFeatures: [1], policyUrl: "https://example.com/",
    };
  }
  const named = (most) => Object.fromEntries(
    Array.from({ length: most }, (_, n) => [n + 1, { id: n + 1, name: "", description: "" }]));
  return {
    gvlSpecificationVersion: 3, vendorListVersion: 150, tcfPolicyVersion: 5,
    lastUpdated: "2026-02-26T16:00:00Z", purposes: named(11), specialPurposes: named(3),
    features: named(3), specialFeatures: named(2), stacks: {}, dataCategories: {}, vendors,
  };
}

function restrictions(model) {
  for (const purposeId of some(11, 0.3)) {
    const restriction = new PurposeRestriction();
    restriction.purposeId = purposeId;
    restriction.restrictionType = one([0, 1, 2]);
    for (const vendor of some(VENDORS, 0.05)) {
      model.publisherRestrictions.add(vendor, restriction);
    }
  }
}

function tcString() {
  const model = new TCModel(new GVL(vendorList()));
  model.created = MADE;
  model.lastUpdated = MADE;
  model.cmpId = 31;
  model.cmpVersion = 2;
  model.consentScreen = 1;
  model.isServiceSpecific = maybe(0.8);
  model.publisherCountryCode = "DE";
  model.purposeOneTreatment = maybe(0.2);
  const share = one([0, 0.5, 0.9, 1]);
  model.purposeConsents.set(some(11, share));
  model.purposeLegitimateInterests.set(some(11, one([0, 0.5, 1])));
  model.specialFeatureOptins.set(some(2, share));
  const vendors = one([0, 0.02, 0.5, 1]);
  model.vendorConsents.set(some(VENDORS, vendors));
  model.vendorLegitimateInterests.set(some(VENDORS, vendors));
  model.vendorsAllowed.set(some(VENDORS, 0.1));
  model.publisherConsents.set(some(11, share));
  model.numCustomPurposes = one([0, 3]);
  model.publisherCustomConsents.set(some(model.numCustomPurposes, 0.5));
  if (maybe(0.3)) {
    restrictions(model);
  }
  model.created = MADE;
  model.lastUpdated = MADE;
  const segments = [Segment.CORE, ...(maybe(0.8) ? [Segment.VENDORS_DISCLOSED] : [])]
    .concat(maybe(0.1) ? [Segment.VENDORS_ALLOWED] : [], maybe(0.4) ? [Segment.PUBLISHER_TC] : []);
  return TCString.encode(model, { segments });
}

function readTc(string) {
  const model = TCString.decode(string);
  const set = (vector) => [...vector.values()].sort((a, b) => a - b);
  return {
    string,
    consents: set(model.purposeConsents),
    interests: set(model.purposeLegitimateInterests),
    features: set(model.specialFeatureOptins),
    first_undisclosed: model.purposeOneTreatment,
  };
}

function setUs(model, section) {
  const optOuts = {};
  for (const name of OPT_OUTS) {
    const value = one([0, 1, 2]);
    try {
      model.setFieldValue(section, name, value);
    } catch {
      continue; // not every state has each
    }
  }
  try {
    model.setFieldValue(section, "Gpc", maybe(0.5));
  } catch {
    return;
  }
}

function gppString(sections) {
  const model = new GppModel();
  for (const section of sections) {
    if (section === "tcfeuv2") {
      model.setFieldValue(section, "PurposeConsents", flags(24, 0.5));
      model.setFieldValue(section, "PurposeLegitimateInterests", flags(24, 0.5));
      model.setFieldValue(section, "SpecialFeatureOptins", flags(12, 0.5));
      model.setFieldValue(section, "VendorConsents", some(80, 0.4));
      model.setFieldValue(section, "Created", MADE);
      model.setFieldValue(section, "LastUpdated", MADE);
    } else if (section === "uspv1") {
      model.setFieldValue(section, "Notice", "Y");
      model.setFieldValue(section, "OptOutSale", one(["Y", "N", "-"]));
      model.setFieldValue(section, "LspaCovered", "N");
    } else {
      setUs(model, section);
    }
  }
  return model.encode();
}

function readGpp(string) {
  const model = new GppModel(string);
  const sections = {};
  for (const id of model.getSectionIds()) {
    const section = nameOf(id);
    const read = {};
    for (const name of [...OPT_OUTS, "Gpc", "OptOutSale"]) {
      const value = model.hasField(section, name) ? model.getFieldValue(section, name) : undefined;
      if (value !== undefined && value !== null) {
        read[name] = value;
      }
    }
    if (id === 2) {
      read.consents = numbers(model.getFieldValue(section, "PurposeConsents"));
      read.interests = numbers(model.getFieldValue(section, "PurposeLegitimateInterests"));
    }
    sections[id] = read;
  }
  return { string, sections };
}

const numbers = (flags) => flags.flatMap((flag, n) => (flag === true ? [n + 1] : []));

function nameOf(id) {
  return Object.entries({ tcfeuv2: 2, tcfcav1: 5, uspv1: 6, usnat: 7 })
    .concat(STATES.map((state, n) => [`us${state}`, n + 8]))
    .find(([, number]) => number === id)[0];
}

const tc = Array.from({ length: 60 }, () => readTc(tcString()));
const us = ["usnat", ...STATES.map((state) => `us${state}`)];
const gpp = [
  ...us.flatMap((section) => [gppString([section]), gppString([section])]),
  ...Array.from({ length: 20 }, () => gppString(us.filter(() => maybe(0.3)))),
  ...Array.from({ length: 10 }, () => gppString(["tcfeuv2", "uspv1", ...us.filter(() => maybe(0.1))])),
  gppString(["tcfeuv2"]),
  gppString(["uspv1"]),
].map(readGpp);
const lines = (list) => `[\n${list.map((each) => JSON.stringify(each)).join(",\n")}]`;
const made = JSON.stringify(["@iabtcf/core 1.5.6", "@iabgpp/cmpapi 3.2.0"]);
console.log(`{"made_with":${made},\n"tc":${lines(tc)},\n"gpp":${lines(gpp)}}`);
