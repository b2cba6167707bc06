// Both pages at /graphql open with these tabs: the full playground bundles this module, the small one imports it.

export const examples = [
  {
    title: "Browse",
    query: `# What is in the shop?
#
# Run it with the button or Ctrl+Enter (Mac: ⌘+Enter).
# Copy a variant's id from the answer: the next tab
# buys it.

query Browse {
  products(first: 10) {
    nodes {
      id
      title
      handle
      # Can be bought right now, in this channel.
      availableForSale
      # Amounts are decimal strings, never floats.
      priceRange {
        minVariantPrice { amount currencyCode }
        maxVariantPrice { amount currencyCode }
      }
      featuredMedia { url altText }
      variants(first: 5) {
        nodes {
          id
          title
          price { amount currencyCode }
          availableForSale
          # null when the stock of this variant is not counted.
          quantityAvailable
        }
      }
    }
    # More? Ask again with products(first: 10, after: …).
    pageInfo { hasNextPage endCursor }
  }
}
`,
    variables: "",
  },
  {
    title: "Cart to order",
    query: `# From a cart to a paid order, in five steps.
#
# All steps share the variables below. Put a variant's
# id there, then run one step after the other: choose
# it by name when you run, or put the cursor into it
# and press Ctrl+Enter (Mac: ⌘+Enter).
#
# Refusals (sold out, address missing) come back in
# userErrors, with a code and the path of the input.

# 1. A cart. Copy its id into "cartId". The id is a
#    secret: whoever knows it holds the cart.
mutation CartToOrder1Create($variantId: ID!) {
  cartCreate(input: { lines: [{ variantId: $variantId, quantity: 1 }] }) {
    cart {
      id
      totalQuantity
      cost { totalAmount { amount currencyCode } }
      # What would stop a checkout now.
      problems { code message }
    }
    userErrors { code field message }
    warnings { code message }
  }
}

# 2. Who buys.
mutation CartToOrder2Buyer($cartId: ID!) {
  cartBuyerIdentityUpdate(
    input: {
      cartId: $cartId
      buyerIdentity: { email: "ada@example.com", countryCode: "DE" }
    }
  ) {
    cart { id buyerIdentity { email countryCode } problems { code message } }
    userErrors { code field message }
    warnings { code message }
  }
}

# 3. Where it goes. Copy the id of a delivery option
#    into "deliveryOptionId".
mutation CartToOrder3Address($cartId: ID!) {
  cartDeliveryAddressUpdate(
    input: {
      cartId: $cartId
      address: {
        firstName: "Ada"
        lastName: "Lovelace"
        address1: "Unter den Linden 1"
        postalCode: "10117"
        city: "Berlin"
        countryCode: "DE"
      }
    }
  ) {
    cart {
      id
      deliveryOptions { id title cost { amount currencyCode } }
      problems { code message }
    }
    userErrors { code field message }
    warnings { code message }
  }
}

# 4. How it gets there. "problems" should be empty now.
mutation CartToOrder4Delivery($cartId: ID!, $deliveryOptionId: ID!) {
  cartDeliveryOptionSelect(
    input: { cartId: $cartId, deliveryOptionId: $deliveryOptionId }
  ) {
    cart {
      id
      selectedDeliveryOption { id title }
      cost {
        subtotalAmount { amount currencyCode }
        totalDeliveryAmount { amount currencyCode }
        totalTaxAmount { amount currencyCode }
        totalAmount { amount currencyCode }
      }
      problems { code message }
    }
    userErrors { code field message }
    warnings { code message }
  }
}

# 5. Pay. Run it twice: the same order comes back, for a
#    cart becomes an order exactly once. On a new cart
#    try tok_declined, tok_3ds or tok_timeout.
#    Copy the order's id and accessToken: with them the
#    last tab follows the order.
mutation CartToOrder5Pay($cartId: ID!, $idempotencyKey: String!) {
  checkoutComplete(
    input: {
      cartId: $cartId
      payment: { provider: "sandbox", token: "tok_visa" }
      idempotencyKey: $idempotencyKey
    }
  ) {
    checkout { id status nextAction { type url } }
    order {
      id
      number
      accessToken
      status
      cost { totalAmount { amount currencyCode } }
    }
    userErrors { code field message }
    warnings { code message }
  }
}
`,
    variables: `{
  "variantId": "variant_…",
  "cartId": "cart_…",
  "deliveryOptionId": "…",
  "idempotencyKey": "first-try"
}
`,
  },
  {
    title: "Watch stock",
    query: `# Stock, live, over a WebSocket.
#
# Put ids of variants below and run. The state of now
# arrives first, then what changes: buy one in another
# window and watch. The same button stops.
#
# Keep the last cursor: given as "after", it goes on
# from there without a gap and without a duplicate.

subscription WatchStock($variantIds: [ID!]!) {
  stockChanged(variantIds: $variantIds) {
    id
    cursor
    variant { id title }
    availableForSale
    quantityAvailable
  }
}
`,
    variables: `{
  "variantIds": ["variant_…"]
}
`,
  },
  {
    title: "Follow an order",
    query: `# One order, from paid to delivered.
#
# A guest follows with the order's accessToken. Its
# customer and the staff need none, they send
# {"Authorization": "Bearer …"} under Headers.

subscription FollowOrder($orderId: ID!, $accessToken: String) {
  orderStatusChanged(orderId: $orderId, accessToken: $accessToken) {
    id
    cursor
    occurredAt
    status
    # null in the first message: the state of now.
    previousStatus
    order { id number financialStatus fulfillmentStatus }
  }
}
`,
    variables: `{
  "orderId": "order_…",
  "accessToken": "…"
}
`,
  },
];
