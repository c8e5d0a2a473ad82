assert len(target) == 2, 'QFL takes a label and a quality of each'
# label denotes the category id, score denotes the quality score
label, score = target

# FG cat_id: [0, num_classes -1], BG cat_id: num_classes
is_label = one_hot(label, pred.size(1))
# positives are supervised by bbox quality (IoU) score
# negatives are supervised by 0 quality score
wanted = is_label * score[:, None].type_as(pred)
loss = F.binary_cross_entropy(pred, wanted, reduction='none')
loss = loss * (wanted - pred).abs().pow(beta)
return loss.sum(dim=1, keepdim=False)
