#include "tests/lib/model_claims.h"

#include "tests/lib/claims.h"

/* A number is as many above the last one as there are such writes before it in the round, if all of them are applied. */
void model_claims_number(const struct model *now, struct operation *operations, size_t n)
{
    uint32_t last[CHAINS_KNOWN];
    for (uint32_t chain = 0; chain < CHAINS_KNOWN; chain++) {
        last[chain] = now->chains[chain].last_number;
    }
    for (size_t i = 0; i < n; i++) {
        struct operation *operation = &operations[i];
        uint32_t *before = &last[operation->chain];
        switch (operation->numbering) {
        case NUMBERING_NONE:
            operation->number = 0;
            break;
        case NUMBERING_AGAIN:
            operation->number = *before > 0 ? *before : 1;
            break;
        case NUMBERING_NEXT:
            operation->number = ++*before;
            break;
        case NUMBERING_AHEAD:
            operation->number = *before + 2;
            break;
        }
    }
}

void model_claims_note(struct model_claims *claims, const struct round *round, const struct outcome *outcomes)
{
    for (size_t i = 0; i < round->n; i++) {
        const struct operation *operation = round->calls[i].operation;
        struct model_claim *claim = &claims->chains[operation->chain];
        if (!call_is_applied(&round->calls[i])) {
            continue;
        }
        if (operation->kind == OPERATION_CLAIM) {
            *claim = (struct model_claim){operation->connection + 1, outcomes[i].epoch_sequence,
                                          outcomes[i].epoch_random};
        } else if (operation->kind == OPERATION_RELEASE || operation->kind == OPERATION_DROP_CHAIN) {
            *claim = (struct model_claim){0};
        }
    }
}

/* Refused: the claim went with its chain. */
static void narrow(struct states *states, uint32_t chain, const struct claimed *claimed)
{
    size_t n = 0;
    bool stands = claimed->status == STATUS_OK;
    for (size_t i = 0; i < states->n; i++) {
        const struct model_chain *known = &states->list[i].model.chains[chain];
        if (stands ? known->holder != 0 && known->last_number == claimed->last_number : known->holder == 0) {
            states->list[n++] = states->list[i];
        }
    }
    states->n = n;
}

void model_claims_present(struct model_claims *claims, struct wire *wires, struct states *states)
{
    for (uint32_t chain = 0; chain < CHAINS_KNOWN; chain++) {
        struct model_claim *claim = &claims->chains[chain];
        if (claim->holder == 0) {
            continue;
        }
        Cairn__Epoch epoch = CAIRN__EPOCH__INIT;
        epoch.has_sequence = epoch.has_random = true;
        epoch.sequence = claim->sequence;
        epoch.random = claim->random;
        struct claimed claimed =
            ask_present(&wires[claim->holder - 1], chain == 0 ? NULL : name_of_chain(chain), &epoch, true);
        narrow(states, chain, &claimed);
        *claim = claimed.status == STATUS_OK ? *claim : (struct model_claim){0};
    }
}
