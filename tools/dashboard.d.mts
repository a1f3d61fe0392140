export declare function buildDashboard(directory: string): Promise<void>;
export declare function ensureDashboardBuilt(options?: { readonly log?: (line: string) => void }): Promise<string>;
