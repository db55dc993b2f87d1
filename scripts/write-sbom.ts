/*
 * Writes the software bill of materials of what is shipped, in CycloneDX 1.5 (JSON), to standard output:
 *   node scripts/write-sbom.ts [Node's version]
 * Out of package-lock.json alone, so that it needs no network and is the same each time. Not with "npm
 * sbom --omit=dev": npm 11 leaves out packages that development needs as well. SOURCE_DATE_EPOCH is the
 * time, as in reproducible builds; without it there is none. With a version, Node itself is a component:
 * the Debian package brings it along.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

interface LockedPackage {
  version: string;
  license?: string;
  integrity?: string;
  dev?: boolean;
}

interface Component {
  type: 'application' | 'library';
  'bom-ref': string;
  name: string;
  version: string;
  purl: string;
  licenses: ({ expression: string } | { license: { id: string } })[];
  hashes?: { alg: string; content: string }[];
}

export interface Sbom {
  bomFormat: 'CycloneDX';
  specVersion: '1.5';
  version: 1;
  serialNumber: string;
  metadata: { timestamp?: string; component: Component };
  components: Component[];
}

const LOCK = new URL('../package-lock.json', import.meta.url);

/** @param time in seconds since the epoch */
export function makeSbom(time?: string, nodeVersion?: string): Sbom {
  const { packages } = JSON.parse(readFileSync(LOCK, 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  const components = new Map<string, Component>();
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '' || entry.dev === true) continue;
    const component = describe(path.replace(/^.*node_modules\//, ''), entry);
    components.set(component.purl, component);
  }
  if (nodeVersion !== undefined) {
    const node = describe('node', { version: nodeVersion, license: 'MIT' });
    components.set(node.purl, {
      ...node,
      type: 'application',
      purl: `pkg:generic/node@${nodeVersion}`,
    });
  }
  const own = packages[''] as LockedPackage;
  const content = {
    metadata: {
      ...(time !== undefined && { timestamp: new Date(Number(time) * 1_000).toISOString() }),
      component: { ...describe('coi-sidecar', own), type: 'application' as const },
    },
    components: [...components.values()],
  };
  return {
    ...{ bomFormat: 'CycloneDX', specVersion: '1.5', version: 1 },
    serialNumber: `urn:uuid:${deriveUuid(JSON.stringify(content))}`,
    ...content,
  };
}

function describe(
  name: string,
  { version, license = 'NOASSERTION', integrity }: LockedPackage,
): Component {
  const [, algorithm, digest = ''] = /^(sha\d+)-(\S+)$/.exec(integrity ?? '') ?? [];
  const alg = algorithm?.replace('sha', 'SHA-');
  return {
    type: 'library',
    'bom-ref': `${name}@${version}`,
    ...{ name, version },
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    licenses: [license.includes(' ') ? { expression: license } : { license: { id: license } }],
    ...(alg !== undefined && {
      hashes: [{ alg, content: Buffer.from(digest, 'base64').toString('hex') }],
    }),
  };
}

/** RFC 9562 section 5.8: version 8 is for what an application makes its own way. */
function deriveUuid(content: string): string {
  const hex = createHash('sha256').update(content).digest('hex');
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
  ];
  return [...parts, hex.slice(20, 32)].join('-');
}

if (import.meta.main) {
  const [, , nodeVersion] = process.argv;
  console.log(JSON.stringify(makeSbom(process.env['SOURCE_DATE_EPOCH'], nodeVersion), null, 2));
}
