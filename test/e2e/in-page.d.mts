export declare function faintTexts(least: number): string[];
export declare function sideways(): number;
export declare function nothingIsBeingRead(): boolean;
export declare function firstRowIs(name: string): boolean;
export declare function focusedName(): string;

export declare function longestFrameWhileScrolling(): Promise<number>;
