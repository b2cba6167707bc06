declare const __SHOP_URL__: string;
