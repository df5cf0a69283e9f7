import { openEmbedded } from '@rollcall/server/store';
import { conformance } from './conformance.ts';

conformance('the embedded engine', () => openEmbedded(':memory:', { promoteLongs: false, sweepMs: 200 }));
