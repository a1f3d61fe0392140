type Options = { readonly log?: (line: string) => void; readonly env?: NodeJS.ProcessEnv };

export declare const temporalCliVersion: string;
export declare function obtainTemporalCli(options?: Options): Promise<string>;
export declare function obtainTimeSkippingServer(options?: Options): Promise<string>;
export declare function cacheDirectory(env?: NodeJS.ProcessEnv): string;
export declare function findOnPath(name: string, env?: NodeJS.ProcessEnv): string | undefined;
